"""TensorBoard's own reader on event files of `ml3 train`, also after a run was resumed from an older checkpoint.
    tensorboard_check.py ML3        exit code 77: TensorBoard is not installed (pip install tensorboard)"""

import csv
import shutil
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    sys.exit(77)

tiny = "loss.hidden=[8] policy.hidden=[4] outer.tasks=2 validation.tasks=2 validation.every=5 outer.schedule=constant"


def train(*arguments, steps):
    sets = [word for key in [*tiny.split(), f"outer.steps={steps}"] for word in ("--set", key)]
    subprocess.run([sys.argv[1], "train", "--quiet", *arguments, *sets], check=True, stdout=subprocess.DEVNULL)


with tempfile.TemporaryDirectory() as folder:
    run = folder + "/run"
    train("--output", run, steps=10)
    shutil.copy(run + "/checkpoint", folder)
    train("--resume", run, steps=15)
    shutil.copy(folder + "/checkpoint", run)  # as if it had been killed there
    train("--resume", run, steps=20)

    events = EventAccumulator(run, purge_orphaned_data=True)
    events.Reload()
    with open(run + "/metrics.csv") as file:
        rows = list(csv.DictReader(file))
    for name in rows[0]:
        if name == "outer_step":
            continue
        want = {int(row["outer_step"]): float(row[name]) for row in rows if row[name]}
        got = {event.step: event.value for event in events.Scalars(name)}
        assert len(events.Scalars(name)) == len(got), f"{name}: steps twice"
        assert got.keys() == want.keys(), f"{name}: steps {sorted(got)}, in metrics.csv {sorted(want)}"
        assert all(abs(got[s] - want[s]) <= 1e-6 * abs(want[s]) for s in want), name
    text = events.Tensors("hyperparameters")[0].tensor_proto.string_val[0].decode()
    assert "outer:\n  steps: 10" in text, text
print("TensorBoard reads", len(rows), "rows")
