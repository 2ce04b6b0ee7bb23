"""Joins the lines of one benchmark run: a Markdown table on standard output, everything in a JSON file.

Rounds of the same case become one entry (median of the medians, least of the least, greatest of the greatest). The
engines must agree on the task loss and the meta-gradient, or the exit code is 1.
"""

import importlib.metadata
import json
import math
import os
import platform
import statistics
import sys

ENGINES = ["ml3", "ml3 fast", "torch", "jax"]
TITLES = {"ml3": "ml3", "ml3 fast": "ml3 fast", "torch": "PyTorch eager (published style)", "jax": "JAX jit"}
OURS = ("ml3", "ml3 fast")
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
BUSY = 2  # a median this many times the least time: something else had the processors


def join(rounds):
    joined = dict(rounds[0])
    joined["median_ms"] = statistics.median(line["median_ms"] for line in rounds)
    joined["min_ms"] = min(line["min_ms"] for line in rounds)
    joined["max_ms"] = max(line["max_ms"] for line in rounds)
    if "products_ms" in joined:
        joined["products_ms"] = statistics.median(line["products_ms"] for line in rounds)
    joined["rounds"] = len(rounds)
    return joined


def disagreement(a, b):
    """The greatest relative difference of the check values; the five numbers are compared with the largest of them."""
    pairs = [([a[key]], [b[key]]) for key in ("task_loss", "meta_gradient_norm")]
    pairs.append((a["meta_gradient_first"], b["meta_gradient_first"]))
    worst = 0.0
    for x, y in pairs:
        if len(x) != len(y) or not all(map(math.isfinite, x + y)):
            return math.inf
        difference = max(abs(p - q) for p, q in zip(x, y))
        worst = max(worst, difference / max(map(abs, x)) if any(x) else (math.inf if difference else 0.0))
    return worst


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def main():
    lines_path, json_path = sys.argv[1:]
    groups = {}
    with open(lines_path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            key = tuple(line[k] for k in ("problem", "tasks", "threads", "steps", "precision"))
            groups.setdefault(key, {}).setdefault(line["engine"], []).append(line)

    present = [e for e in ENGINES if any(e in group for group in groups.values())]
    base = present[0]
    ratios = [(other, own) for own in OURS for other in ("torch", "jax") if own in present and other in present]
    print("| problem | tasks | threads | inner steps | " + " | ".join(f"{TITLES[e]}, ms" for e in present), end=" | ")
    print(" | ".join(f"{other} / {own}" for other, own in ratios), end=" | ")
    print("products only, ms | greatest difference |")
    print("|---|" + "---:|" * (5 + len(present) + len(ratios)))

    results, agree, busy = [], True, False
    for key, group in groups.items():
        joined = {engine: join(rounds) for engine, rounds in group.items()}
        results += joined.values()
        cells = [str(k) for k in key[:4]]
        for engine in present:
            r = joined[engine]
            disturbed = r["median_ms"] > BUSY * r["min_ms"]
            busy |= disturbed
            cells.append(f"{r['median_ms']:.3g} ({r['min_ms']:.3g} - {r['max_ms']:.3g})" + " busy" * disturbed)
        cells += [f"{joined[a]['median_ms'] / joined[b]['median_ms']:.3g}" for a, b in ratios]
        cells.append(" / ".join(f"{joined[e]['products_ms']:.3g}" for e in OURS if e in joined))
        worst = max(disagreement(joined[base], line) for rounds in group.values() for line in rounds)
        agree &= worst <= TOLERANCE[key[4]]
        cells.append(f"{worst:.0e}" + ("" if worst <= TOLERANCE[key[4]] else " **too much**"))
        print("| " + " | ".join(cells) + " |")

    versions = {name: importlib.metadata.version(name) for name in ("torch", "jax", "numpy")}
    document = {"processor": processor(), "processors": os.cpu_count(), "versions": versions, "results": results}
    with open(json_path + ".part", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    os.replace(json_path + ".part", json_path)
    print(f"\n{processor()}, PyTorch {versions['torch']}, JAX {versions['jax']}; median (least - greatest), float32.")
    if busy:
        print("Entries marked busy were disturbed by other work on the machine; their ratios mean nothing. Run again.")
    if not agree:
        sys.exit("metagrad: the engines do not agree on the numbers; the times mean nothing until they do")


main()
