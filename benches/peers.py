"""The same work in SciPy: one JSON line per measurement, like the Rust benchmark.

usage: peers.py N [N ...]
"""
import json
import statistics
import sys
import time

import numpy
from scipy.stats import mannwhitneyu, rankdata

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

    # What a look of ten metrics asks at least: ten p-values, without any interval.
    def ten():
        for pair in range(10):
            mannwhitneyu(x[pair], y[pair], method="asymptotic")

    measure(f"scipy_ten_metrics/{n}", 1, ten)
    pooled = numpy.concatenate([x, y], axis=1)

    def ranks():
        global turn
        turn = (turn + 1) % PAIRS
        rankdata(pooled[turn])

    measure(f"scipy_ranks/{n}", 1, ranks)

# An answer of 20 series of 1,440 points, read as a script reads it: JSON, then arrays.
if "1440" in sys.argv[1:]:
    values = [[1_700_000_000.781 + p * 15, repr((p * 0.618033988749895) % 1)] for p in range(1440)]
    result = [{"metric": {"job": "app", "pod": f"v2-{s}"}, "values": values} for s in range(20)]
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})

    def decode():
        for series in json.loads(body)["data"]["result"]:
            numpy.array([float(value) for _, value in series["values"]])

    measure("python_decode/20x1440", 1, decode)
