"""The intervals of scripts/experiments/student.py beside SciPy's numbers (tests/oracle/statistics.json), and a table with a
failed trial. Needs Python alone."""
import json, math, pathlib, subprocess, sys, tempfile

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "scripts/experiments"))
sys.dont_write_bytecode = True
import student

oracle = json.loads((root / "tests/oracle/statistics.json").read_text())


def expect(got, wanted, what):
    for a, b in zip(got, wanted, strict=True):
        assert abs(a - b) <= 1e-9 * max(abs(b), 1e-3), f"{what}: {got}, not {wanted}"


for n, quantile in oracle["t_quantile"]: expect([student.t_quantile(n)], [quantile], f"{n} degrees of freedom")
for case in oracle["share"]: expect(student.share_interval(case["x"], case["trials"]), case["interval"], "share")
for case in oracle["sample"]:
    interval = student.positive_interval if case["positive"] else student.interval
    expect(interval([x for x in case["x"] if x is not None]), case["interval"], "sample")
assert all(map(math.isnan, student.interval([1])[1:])) and math.isinf(student.positive_interval([1, math.inf])[0])

with tempfile.TemporaryDirectory() as folder:
    rows = ["method,updates,task,success,task_loss,distance,return,env_steps,seconds,seed"]
    for seed in range(3):
        for task in range(3):
            failed = seed == 0 and task == 1
            rows.append(f"a,1,{task},{0 if failed else 1},{'nan' if failed else 1},{'nan' if failed else 0.01 * (task + 1)},"
                        f"{'nan' if failed else -2},10,0.1,{seed}")
    pathlib.Path(folder, "comparison_tasks.csv").write_text("\n".join(rows) + "\n")
    said = subprocess.run([sys.executable, root / "scripts/experiments/model_based_table", folder], check=True, text=True,
                          env={"PYTHONDONTWRITEBYTECODE": "1"}, stdout=subprocess.PIPE).stdout
    # medians of 1, 3 (of 1, 3 and infinity), 2 and 2 cm; 8 of 9 at the goal
    assert "| a | 1 | 2.33 | 1.26 - 4.31 | 3.00 | 89 | -2.00 | 10 |" in said, said
    assert "Failed trials: a, 1 updates: 1." in said, said
