#!/usr/bin/env bash
# Every loss of the zoo: its files are there and small, its card says what a card must, it trains something unseen from a
# fresh start, also by `ml3 adapt NAME --loss zoo:NAME`, and where the card has a row like
#   | check | `ml3 adapt zoo:NAME --updates 5`, tasks 0 to 4: mean task loss 4.53 |
# the command comes to that figure, or to a better one (10 % are left for another processor's rounding).
#   zoo.sh ML3 SOURCE_FOLDER
set -euo pipefail
python3 - "$(realpath "$1")" "$(realpath "$2")/zoo" <<'END'
import os, re, subprocess, sys, tempfile
ml3, zoo = sys.argv[1:]
bad = []

def losses(name, updates, task, folder):
    """Task losses before and after that many updates."""
    out = subprocess.run([ml3, "adapt", "zoo:" + name, "--updates", str(updates), "--task", str(task), "--force", "--output", folder + "/out.safetensors"],
                         capture_output=True, text=True, timeout=120)
    if out.returncode:
        raise RuntimeError(f"ml3 adapt ends with {out.returncode}: {out.stderr.strip()}")
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.stdout.splitlines() if re.match(r"\d+\s", line)]
    return float(rows[0][1]), float(rows[-1][2])

def examine(name, folder):
    path = os.path.join(zoo, name)
    for file in ("README.md", "config.yaml", "loss.safetensors", "summary.json"):
        if not os.path.exists(os.path.join(path, file)):
            raise RuntimeError(f"{file} is missing")
    size = sum(os.path.getsize(os.path.join(path, f)) for f in os.listdir(path))
    if size > 4 << 20:
        raise RuntimeError(f"it has {size} bytes; an entry is small")
    card = open(os.path.join(path, "README.md")).read()
    for row in ("intended use", "inputs", "training", "results", "limits", "use"):
        if f"\n| {row} |" not in card:
            raise RuntimeError(f"the card has no row '{row}'")
    check = re.search(r"\n\| check \| `ml3 adapt zoo:(\S+) --updates (\d+)`, tasks 0 to (\d+): mean task loss ([-\d.]+) \|", card)
    if "\n| check |" in card and (not check or check[1] != name):
        raise RuntimeError("the card's row 'check' is not as tests/zoo.sh reads it")
    updates, last = (int(check[2]), int(check[3])) if check else (5, 2)
    pairs = [losses(name, updates, task, folder) for task in range(last + 1)]
    before, after = (sum(p[i] for p in pairs) / len(pairs) for i in range(2))
    if not after < before:
        raise RuntimeError(f"the task loss is {before:.4g} before and {after:.4g} after {updates} updates")
    if check and after > float(check[4]) + 0.1 * abs(float(check[4])) + 0.01:
        raise RuntimeError(f"the task loss is {after:.4g} after {updates} updates; the card says {check[4]}")
    again = subprocess.run([ml3, "adapt", name, "--loss", "zoo:" + name, "--updates", "1", "--force", "--output", folder + "/out.safetensors"],
                           capture_output=True, text=True, timeout=120)
    if again.returncode:
        raise RuntimeError(f"`ml3 adapt {name} --loss zoo:{name}` ends with {again.returncode}: {again.stderr.strip()}")
    print(f"{name}: {before:.4g} -> {after:.4g} after {updates} updates, {len(pairs)} tasks" + (f", card {check[4]}" if check else ""))

names = sorted(n for n in os.listdir(zoo) if os.path.isdir(os.path.join(zoo, n)))
with tempfile.TemporaryDirectory() as folder:
    for name in names:
        try:
            examine(name, folder)
        except Exception as error:
            bad.append(f"zoo:{name}: {error}")
print("\n".join(bad))
sys.exit(bool(bad) or len(names) < 3)
END
