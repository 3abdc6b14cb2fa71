"""Sets the measurements of benches/run side by side, as the tables of the documentation.

usage: table.py MEASUREMENTS.jsonl
"""
import collections
import json
import sys

SIZES = (60, 240, 1440)
# What is done here, and by which peer in its stead.
WORK = [
    ("ranks of a pair", "ranks", "scipy_ranks", "SciPy rankdata"),
    ("U and p", "mann_whitney", "scipy_single", "SciPy mannwhitneyu"),
    ("U and p", "mann_whitney", "scipy_vectorised", "SciPy mannwhitneyu, axis=1"),
    ("U and p", "mann_whitney", "r_p", "R wilcox.test"),
    (
        "p, shift, 98 % limits, effect sizes",
        "mann_whitney_shift_98",
        "r_shift_98",
        "R wilcox.test, conf.int",
    ),
    (
        "p, shift, 98 % limits, effect sizes",
        "mann_whitney_shift_98",
        "scipy_single",
        "SciPy mannwhitneyu, p only",
    ),
    ("a look of ten metrics, from scratch", "look_from_scratch", "scipy_ten_metrics", "ten p"),
    ("the same, one minute more", "look_incremental", "scipy_ten_metrics", "ten p"),
]

times = collections.defaultdict(list)
with open(sys.argv[1]) as lines:
    for line in lines:
        row = json.loads(line)
        times[row["name"]].append(row["best_ns_per_op"])
# The best of each: what other work on the machine adds is no property of the program.
best = {name: min(values) / 1e9 for name, values in times.items()}

print("| work | n | here, a second | the peer | its work, a second | ratio |")
print("|---|---|---|---|---|---|")
for label, ours, theirs, peer in WORK:
    for n in SIZES:
        here, there = best.get(f"{ours}/{n}"), best.get(f"{theirs}/{n}")
        if here and there:
            print(
                f"| {label} | {n:,} | {1 / here:,.0f} | {peer} | {1 / there:,.0f} "
                f"| {there / here:,.1f}× |"
            )
here, there = best.get("decode/20x1440"), best.get("python_decode/20x1440")
if here and there:
    print(
        f"| decoding 20 series × 1,440 points | | {1 / here:,.0f} | json, numpy "
        f"| {1 / there:,.0f} | {there / here:,.1f}× |"
    )

print()
print("| batch of pairs | threads | pairs a second | times one thread |")
print("|---|---|---|---|")
for name in sorted(best):
    if name.startswith("batch_"):
        batch, n = name.split("/")
        _, pairs, _, threads = batch.split("_")
        one = best[f"batch_{pairs}_on_1/{n}"]
        print(
            f"| {int(pairs):,} of {n} + {n} | {threads} | {int(pairs) / best[name]:,.0f} "
            f"| {one / best[name]:.2f} |"
        )
