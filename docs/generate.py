#!/usr/bin/env python3
"""The pages of the site that are made from the program: one for each environment, the keys of a configuration, the cards of the
zoo, the C API by room. scripts/docs calls it on a copy of docs/.
    generate.py ML3 LIBML3.SO SOURCE_FOLDER PAGES_FOLDER DOXYGEN_XML_FOLDER"""

import ctypes
import json
import re
import subprocess
import sys
from pathlib import Path

ml3, library = sys.argv[1:3]
source, pages, xml = (Path(argument) for argument in sys.argv[3:6])
ROOMS = {
    "base": "Errors, random streams, files, threads",
    "nn": "Tensor programs: graph, gradient, compiler, runner, optimizers",
    "envs": "Environments, batches, episodes, data sets",
    "metaloss": "Learned losses, inner updates, meta-gradients, trainer",
    "agents": "Policies, learners, iLQR, problems, comparison",
    "lab": "Experiments: configuration, training, evaluation, comparison, reports",
    "viewer": "Scenes, windows, frames, video",
}


def output(*arguments):
    return subprocess.run([ml3, *arguments], capture_output=True, text=True, check=True).stdout


def cell(text):
    return str(text).replace("|", "\\|")


def sections(path):
    """The texts under `## NAME` of a file, by name."""
    parts = re.split(r"^## (.+)\n", path.read_text(), flags=re.M)[1:]
    return {name.strip("` "): text.strip() for name, text in zip(parts[::2], parts[1::2])}


# ---- environments ---------------------------------------------------------------------------------------------------


def describe():
    """What ml3_env_describe says of every environment, and its name in Gymnasium's registry."""
    lib, found = ctypes.CDLL(library), []
    lib.ml3_env_at.restype = lib.ml3_env_describe.restype = ctypes.c_void_p
    for i in range(lib.ml3_env_count()):
        spec = ctypes.c_void_p(lib.ml3_env_at(i))
        text, gymnasium = lib.ml3_env_describe(spec), ctypes.create_string_buffer(128)
        lib.ml3_env_gymnasium_id(spec, gymnasium, 128)
        found.append({**json.loads(ctypes.string_at(text)), "gymnasium": gymnasium.value.decode()})
    return found


def number(x):
    return "" if x is None else f"{x:.6g}"


def bounds(low, high):
    if low is None and high is None:
        return "unbounded"
    return f"{number(low) or '-inf'} to {number(high) or 'inf'}"


def field_table(fields):
    """A row an entry; six and more numbered entries of one name, such as the inertias of all bodies, are one row."""
    rows, i = [], 0
    stems = [re.sub(r"_\d+$", "", field["name"]) for field in fields]
    while i < len(fields):
        end = next((k for k in range(i, len(fields)) if stems[k] != stems[i]), len(fields))
        j = end - 1 if end - i >= 6 and stems[i] != fields[i]["name"] and not stems[i].startswith("root") else i
        first, last = fields[i], fields[j]
        name = f"`{first['name']}`" + (f" to `{last['name']}`" if j > i else "")
        rows.append(f"| {i if i == j else f'{i} to {j}'} | {name} | {first['unit']} | {bounds(first['low'], first['high'])} |")
        i = j + 1
    return "\n".join(["| entry | name | unit | range |", "|---|---|---|---|", *rows])


def environment_page(env, notes, rewards, yaml, presets):
    name = env["name"]
    picture = next((n for n in (name, *(name.rsplit("_", k)[0] for k in (1, 2, 3))) if (pages / f"environments/{n}.png").exists()), None)
    seconds = env["horizon"] * env["dt_s"]
    text = [f"# {name}\n", env["summary"][0].upper() + env["summary"][1:] + ".\n"]
    if picture:
        text.append(f"![{name}]({picture}.png)\n\nOrange: random actions. Blue: no actions.\n")
    actions = f"Discrete({env['choices']})" if env["choices"] else f"Box, {len(env['action'])}"
    text += ["| | |", "|---|---|", f"| in C and on the command line | `{name}` |", f"| in Python | `gymnasium.make(\"{env['gymnasium']}\")` |",
             f"| actions | {actions} |", f"| observation | Box, {len(env['obs'])} |", f"| time between actions | {env['dt_s']:.4g} s |",
             f"| an episode is cut off after | {env['horizon']} steps ({seconds:.4g} s) |"]
    if name in rewards:
        text.append(f"| reward of a step | {rewards[name]} |")
    text.append("")
    if name in notes:
        text.append(notes[name] + "\n")
    text += ["## Actions\n"]
    if env["choices"]:
        text.append(f"One of {env['choices']} discrete actions, 0 to {env['choices'] - 1}.\n")
    else:
        text.append(field_table(env["action"]) + "\n")
    text += ["## Observation\n", field_table(env["obs"]) + "\n"]
    if env["goal"]:
        text += ["## Goal\n", "What policies and losses may be given as the goal (`policy.goal`, `goal_*` features).\n", field_table(env["goal"]) + "\n"]
    if env["task"]:
        rows = [f"| `{p['name']}` | {p['unit']} | {number(p['value'])} | {'fixed' if p['low'] == p['high'] else bounds(p['low'], p['high'])} |" for p in env["task"]]
        text += ["## Task parameters\n", "Drawn anew for every task; without a task the default holds. Fixed ones can be set from C and Python.\n",
                 "\n".join(["| name | unit | default | drawn from |", "|---|---|---:|---|", *rows]) + "\n"]
    if yaml.exists():
        text += ["## The task as data\n", f"`envs/tasks/{name}.yaml` defines everything above ([language](../tasks.md)).\n",
                 f"````yaml\n{yaml.read_text().rstrip()}\n````\n"]
    used = [f"- `ml3 train {preset}`: {line}" for preset, line in presets if preset.startswith(name + "_") or preset == name]
    used = used or [f"- `ml3 train {name} --set method=ppo` trains one policy by PPO."]
    text += ["## Train\n", "\n".join(used) + "\n", f"`ml3 view {name}` shows it with random actions.\n"]
    return "\n".join(text)


def write_environments():
    folder = pages / "environments"
    folder.mkdir(exist_ok=True)
    overview = (pages / "environments.md").read_text()
    rewards = {row[0].strip(" `"): row[4].strip() for row in (line.strip("|\n").split(" | ") for line in overview.splitlines() if line.startswith("| `")) if len(row) == 6}
    notes = sections(pages / "environment_notes.md")
    presets = [tuple(re.split(r"\s{2,}", line.strip(), 1)) for line in output("list", "presets").splitlines() if "  " in line.strip()]
    environments = describe()
    unknown = set(notes) - {env["name"] for env in environments}
    if unknown:
        sys.exit(f"docs/environment_notes.md has notes on no environment: {', '.join(sorted(unknown))}")
    for env in environments:
        yaml = source / f"envs/tasks/{env['name']}.yaml"
        (folder / f"{env['name']}.md").write_text(environment_page(env, notes, rewards, yaml, presets))
    (pages / "environment_notes.md").unlink()
    (pages / "environments.md").write_text(overview + "\n```{toctree}\n:hidden:\n\n" + "\n".join(f"environments/{env['name']}" for env in environments) + "\n```\n")


# ---- keys, zoo, API -------------------------------------------------------------------------------------------------


def write_keys():
    text, rows = ["# Configuration keys\n", "Every key of `ml3 train`, from `ml3 config --help`. Set one with `--set KEY=VALUE` or in a YAML file.\n"], []
    blocks = re.split(r"^Keys of (.+):\n", output("config", "--help"), flags=re.M)[1:]
    owners = {}
    for owner, body in zip(blocks[::2], blocks[1::2]):
        owners.setdefault(owner, []).extend(re.findall(r"^  (\S+): (.*?)(?:  # (.*))?$", body, re.M))
    for owner, keys in owners.items():
        text += [f"## {owner[0].upper()}{owner[1:]}\n", "| key | default | meaning |", "|---|---|---|"]
        text += [f"| `{key}` | `{cell(value)}` | {cell(meaning or '')} |" for key, value, meaning in keys]
        text.append("")
    (pages / "keys.md").write_text("\n".join(text))


def write_zoo():
    (pages / "zoo").mkdir(exist_ok=True)
    cards = sorted((source / "zoo").glob("*/README.md"))
    for card in cards:
        (pages / f"zoo/{card.parent.name}.md").write_text(card.read_text().replace("](../../docs/", "](../"))


def write_api():
    (pages / "api").mkdir(exist_ok=True)
    for room, about in ROOMS.items():
        headers = [path for path in sorted((source / room).rglob("*.h")) if 'extern "C"' in path.read_text() and not path.name.endswith("_internal.h")]
        text = [f"# {room}\n", about + ".\n"]
        for header in headers:
            name = header.relative_to(source)
            text += [f"## {name}\n", f"```{{doxygenfile}} {name}\n:project: ml3\n```\n"]
        (pages / f"api/{room}.md").write_text("\n".join(text))


def name_files_by_path():
    """Doxygen names files without their folder, and several have one name: Breathe finds them by path."""
    index = (xml / "index.xml").read_text()

    def by_path(match):
        compound = (xml / f"{match.group(1)}.xml").read_text()
        return match.group(0).replace(match.group(2), re.findall(r'<location file="([^"]+)"/>', compound)[-1])

    (xml / "index.xml").write_text(re.sub(r'<compound refid="([^"]+)" kind="file"><name>([^<]+)<', by_path, index))


def leave_out_missing():
    """Lines of a table of contents that stand for pages which are not there, such as `python*`, are left out."""
    index = (pages / "index.md").read_text().splitlines(keepends=True)
    (pages / "index.md").write_text("".join(line for line in index if not re.match(r"\w+\*$", line) or list(pages.glob(line.strip() + ".md"))))


name_files_by_path()
leave_out_missing()
write_environments()
write_keys()
write_zoo()
write_api()
