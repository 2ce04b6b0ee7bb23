"""The table of scripts/bench/envs from its lines: the median over rounds.

    envs_table.py FILE.jsonl
"""
import json
import os
import platform
import statistics
import sys

runs, threads = {}, []
for line in map(json.loads, open(sys.argv[1])):
    runs.setdefault((line["environment"], line["engine"]), {}).setdefault(line["threads"], []).append(line)
    if line["threads"] not in threads:
        threads.append(line["threads"])


def cell(lines):
    if not lines:
        return "-", "-"
    problems = [x["problem"] for x in lines if "problem" in x]
    if problems:
        return problems[0].replace("|", "/"), "-"
    rate = statistics.median(x["steps_per_s"] for x in lines)
    ratios = [x["of_bare"] for x in lines if "of_bare" in x]
    return f"{rate:,.0f}", f"{statistics.median(ratios):.3f}" if ratios else "-"


print(f"Steps a second, resets included (medians, {platform.machine()}, {os.cpu_count()} processors):\n")
heads = [f"{t} thread{'s' * (t > 1)} | of bare" for t in threads]
print("| environment | engine | " + " | ".join(heads) + " |")
print("|---|---|" + "---:|---:|" * len(threads))
order = list(dict.fromkeys(environment for environment, _ in runs))  # as they were measured
for (environment, engine), by_threads in sorted(runs.items(), key=lambda x: order.index(x[0][0])):
    print(f"| {environment} | {engine} | " + " | ".join(" | ".join(cell(by_threads.get(t))) for t in threads) + " |")
