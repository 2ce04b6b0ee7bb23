"""Every ml3 command and script that documents show exists: verb, options, --set keys, methods, losses of the zoo, files of scripts/.
What is long is not run, only read (tests/docs.sh runs those of README, tutorial and guides).
    docs_check.py ML3 SOURCE_FOLDER"""

import glob
import os
import re
import shlex
import subprocess
import sys

ml3, root = sys.argv[1:]
bad, checked = [], 0


def output(*arguments):
    return subprocess.run([ml3, *arguments], capture_output=True, text=True, timeout=60).stdout


help_text = output("--help")
verbs = set(re.findall(r"^  ([a-z]+)  ", help_text, re.M))
helps = {verb: output(verb, "--help") for verb in verbs}
options = {verb: set(re.findall(r"--[a-z][a-z-]*", text)) | {"-" + c for c in re.findall(r"^\s+-(\w),", text, re.M)} for verb, text in helps.items()}
methods = set(re.findall(r"^  ([a-z_]+) ", helps["compare"].split("Methods", 1)[1], re.M))
zoo = set(re.findall(r"zoo:(\w+)", output("list", "zoo")))
keys = set(re.findall(r"^([a-z_.0-9]+)=", output("complete", "train", "--set", ""), re.M))  # of all problems

def complain(where, command, what):
    bad.append(f"{where}: `{command}`: {what}")


def check_ml3(where, command, words):
    verb, rest = words[0], words[1:]
    if verb.startswith("-"):  # an option of ml3 itself
        if not re.search(rf"(?<!\S){re.escape(verb)}\b", help_text):
            complain(where, command, f"ml3 has no option {verb}")
        return
    if verb not in verbs:
        if re.match(r"[a-z-]+$", verb):  # else a sentence about ml3, or VERB
            complain(where, command, f"there is no verb '{verb}'")
        return
    for i, word in enumerate(rest):
        option, _, value = word.partition("=")
        following = value or (rest[i + 1] if i + 1 < len(rest) else "")
        if re.match(r"--?[a-z]", option) and option not in options[verb]:
            complain(where, command, f"ml3 {verb} has no option {option}")
        if option in ("--set", "-s", "--sweep") and "=" in following:
            key = following.split("=")[0]
            if re.match(r"[a-z_.]+$", key) and key not in keys and not key.startswith("reward."):  # names of a task's own terms
                complain(where, command, f"there is no key {key}")
        if verb == "compare" and option in ("--methods", "-m"):
            for name in following.split(","):
                if name not in methods and re.match(r"[a-z_]+$", name):
                    complain(where, command, f"there is no method {name}")
        if word.startswith("zoo:") and word[4:] not in zoo and word != "zoo:NAME":
            complain(where, command, f"there is no {word}")


def check(where, command):
    global checked
    text = command.replace("\\\n", " ").split("  #")[0].split(" | ")[0]
    try:
        words = shlex.split(text.replace("...", " "))
    except ValueError:
        return complain(where, command, "quotes do not match")
    while words and re.match(r"[A-Z_0-9]+=", words[0]):
        words = words[1:]
    if words and words[0] in ("python3", "bash"):
        words = words[1:]
    if not words:
        return
    if words[0] in ("ml3", "build/ml3") and len(words) > 1:
        checked += 1
        check_ml3(where, command, words[1:])
    elif words[0].startswith("scripts/") and not words[0].endswith("/"):
        checked += 1
        if not os.path.exists(os.path.join(root, words[0])):
            complain(where, command, f"there is no {words[0]}")


for verb, text in helps.items():
    examples = text.split("\nExamples:\n")[-1].splitlines()
    if "\nExamples:\n" not in text or len(examples) != 2 or not all(f"ml3 {verb}" in line for line in examples):
        bad.append(f"ml3 {verb} --help does not end in two examples")
    for line in examples:
        check(f"ml3 {verb} --help", line.strip())
documents = ["README.md", "docs/**/*.md", "zoo/*/README.md", "scripts/bench/README.md", "python/README.md"]
for path in sorted(p for pattern in documents for p in glob.glob(os.path.join(root, pattern), recursive=True)):
    text, where = open(path).read(), os.path.relpath(path, root)
    for block in re.findall(r"^    ((?:[A-Z_0-9]+=\S+ )*(?:build/ml3|ml3|scripts/|python3 scripts/)(?:[^\n]*\\\n)*[^\n]*)", text, re.M):
        if not re.match(r"ml3 [a-z]+: ", block):  # what ml3 says, not what it is told
            check(where, block)
    for inline in re.findall(r"`((?:build/)?ml3 [^`]*|scripts/[^`]*)`", text):
        check(where, inline)
print("\n".join(bad))
print(f"{checked} commands in documents are known")
sys.exit(bool(bad) or checked < 40)
