"""The same pairs of samples in SciPy: one JSON line per measurement, like the Rust benchmark.

usage: peers.py N [N ...]
"""
import json
import statistics
import sys
import time

import numpy
from scipy.stats import mannwhitneyu

PAIRS = 64
REPEATS = 9


def measure(name, pairs_per_call, call):
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            call()
        if time.perf_counter() - start > 0.05:
            break
        count *= 2
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(count):
            call()
        times.append((time.perf_counter() - start) / count / pairs_per_call)
    median, best = statistics.median(times) * 1e9, min(times) * 1e9
    row = {"name": name, "ns_per_op": round(median, 1), "best_ns_per_op": round(best, 1)}
    print(json.dumps(row), flush=True)


for n in map(int, sys.argv[1:]):
    generator = numpy.random.default_rng(n)
    x = generator.normal(100, 10, (PAIRS, n))
    x[1::2] += 5
    y = generator.normal(100, 10, (PAIRS, n))
    turn = 0

    def single():
        global turn
        turn = (turn + 1) % PAIRS
        mannwhitneyu(x[turn], y[turn], method="asymptotic")

    measure(f"scipy_single/{n}", 1, single)
    measure(
        f"scipy_vectorised/{n}", PAIRS, lambda: mannwhitneyu(x, y, method="asymptotic", axis=1)
    )
