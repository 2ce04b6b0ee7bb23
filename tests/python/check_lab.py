"""The lab from Python: the bits of the command, callbacks that stop, metrics, losses and policies as functions, errors as sentences."""
import ctypes, filecmp, json, math, os, pathlib, signal, subprocess, sys, tempfile, threading, time

import checking
from checking import refuses, run, test

import numpy as np

import ml3
from ml3 import structures

COMMAND = os.environ.get("ML3_COMMAND", "build/ml3")
HERE = pathlib.Path(__file__).resolve().parent
CAR = {"outer": {"steps": 12, "tasks": 2}, "validation": {"tasks": 4, "every": 4}}
FOLDER = tempfile.TemporaryDirectory()
ROOT = pathlib.Path(FOLDER.name)


def command(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def sets(settings):
    return [part for s in ml3.session.settings_of(settings) for part in ("--set", s)]


def same_files(a, b, *names):
    for name in names:
        assert filecmp.cmp(a / name, b / name, shallow=False), f"{name} of {a} and {b} differ"


@test
def structures_are_those_of_c():
    layout = json.loads((HERE.parent / "data/python_layout.json").read_text())
    here = structures.layout()
    assert here == layout, [name for name in layout if here.get(name) != layout[name]]


@test
def a_run_has_the_bits_of_the_command():
    command("train", "mountain_car", "-o", ROOT / "command", "--log", "none", "--set", "seed=3", *sets(CAR))
    r = ml3.train("mountain_car", set=CAR, seed=3, output=ROOT / "python", log="none")
    same_files(ROOT / "command", r.path, "loss.safetensors", "metrics.csv", "config.yaml")
    ppo = {"method": "ppo", "learner": {"updates": 3, "envs": 2, "steps": 64}}
    command("train", "cart_pole", "-o", ROOT / "command_ppo", "--log", "none", *sets(ppo))
    p = ml3.train("cart_pole", set=ppo, output=ROOT / "python_ppo", log="none")
    same_files(ROOT / "command_ppo", p.path, "policy.safetensors", "config.yaml")  # metrics.csv has a speed
    assert p.policy().discrete and p.policy().predict(np.zeros(4)) in (0, 1)


@test
def a_run_tells_configuration_metrics_and_summary():
    r = ml3.load_run(ROOT / "python")
    assert r.config["seed"] == 3 and r.config["outer"]["steps"] == 12 and r.config["policy"]["obs_scale"] == [0.2, 1]
    assert r.config["outer"]["rate"] == 0.001 and r.config["environment"] == "mountain_car" and r.finished
    steps, success = r.metrics.points("validation/success")
    assert steps.tolist() == [0, 4, 8, 12] and r.summary["best_success"] == success.max()
    assert r.metrics.points("losses/objective")[0].tolist() == list(range(1, 13)) and np.isnan(r.metrics["losses/objective"][0])
    assert np.array_equal(r.metrics["median_distance"], r.metrics["validation/median_distance"], equal_nan=True)
    refuses(KeyError, "did you mean losses/gradient_norm", lambda: r.metrics["losses/gradient_nrm"])
    refuses(ml3.Error, "is not a run folder: it has no config.yaml", ml3.load_run, ROOT)


@test
def a_callback_that_says_false_stops_and_the_run_goes_on_with_the_same_bits():
    seen = []

    def callback(record):
        seen.append(record)
        return not (record.event == "metrics" and record.step == 5)

    r = ml3.train("mountain_car", set=CAR, seed=3, output=ROOT / "stopped", log="none", callback=callback)
    assert r.stopped and not r.finished and r.path == ROOT / "stopped"
    assert [x.step for x in seen if x.event == "validation"] == [0, 4] and seen[0].folder == str(r.path)
    assert seen[-1].values["losses/objective"] > 0
    again = r.resume()
    assert again.finished and not again.stopped
    same_files(ROOT / "python", r.path, "loss.safetensors", "metrics.csv")


@test
def what_a_callback_raises_is_raised_and_a_checkpoint_is_kept():
    def callback(record):
        if record.step == 3:
            raise RuntimeError("no more")

    refuses(RuntimeError, "no more", ml3.train, "mountain_car", set=CAR, output=ROOT / "raised", log="none", callback=callback)
    assert (ROOT / "raised/checkpoint").is_file() and ml3.load_run(ROOT / "raised").resume().finished


@test
def ctrl_c_keeps_a_checkpoint():
    long = {"outer": {"steps": 100000, "tasks": 2}, "validation": {"tasks": 2, "every": 100000}}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    refuses(KeyboardInterrupt, "the checkpoint is kept", ml3.train, "mountain_car", set=long, output=ROOT / "signal", log="none")
    assert (ROOT / "signal/checkpoint").is_file()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@test
def a_run_is_evaluated_and_compared():
    r = ml3.load_run(ROOT / "python")
    e = r.evaluate(tasks=3)
    assert e.environment == "mountain_car" and e.updates == 5 and e.tasks["episode_return"].shape == (3,)
    assert math.isclose(e.episode_return.mean, e.tasks["episode_return"].mean(), rel_tol=1e-12)
    none = ml3.evaluate(r, tasks=3, updates=0)
    assert none.updates == 0 and none.episode_return.mean != e.episode_return.mean
    c = ml3.compare(r, methods=["untrained", "learned_loss"], set={"test": {"tasks": 3, "steps": [1, 5]}}, output=ROOT)
    assert [row["method"] for row in c.rows] == ["untrained", "learned loss, 1 update", "learned loss, 5 updates"]
    assert math.isclose(c.rows[2]["return"], e.episode_return.mean, rel_tol=1e-6) and c.rows[0]["return_low"] < c.rows[0]["return"]
    assert (ROOT / "comparison.csv").is_file() and "| untrained |" in str(c)
    several = ml3.compare([r, ROOT / "stopped"], methods=["learned_loss"], set={"test.tasks": 2, "test.steps": [1]})
    assert [row["run"] for row in several.rows] == [str(r.path), str(ROOT / "stopped")]
    assert several.rows[0]["return"] == several.rows[1]["return"]


@test
def a_fresh_policy_learns_by_a_loss_of_the_zoo_as_adapt_does():
    learner = ml3.Learner("zoo:mountain_car", task=1).learn(2).learn(3)
    command("adapt", "zoo:mountain_car", "--task", "1", "--updates", "5", "-o", ROOT / "adapted.safetensors")
    learner.save(ROOT / "learned.safetensors")
    assert (ROOT / "adapted.safetensors").read_bytes() == (ROOT / "learned.safetensors").read_bytes()
    assert learner.updates == 5 and [x.step for x in learner.history] == [0, 1, 2, 3, 4, 5]
    policy = ml3.load_policy(ROOT / "adapted.safetensors")
    assert (policy.predict([-0.5, 0.0]) == learner.predict([-0.5, 0.0])).all()
    refuses(ValueError, "expected 2 entries", learner.predict, [1, 2, 3])
    refuses(ml3.Error, "call learn() first", ml3.Learner("zoo:mountain_car").predict, [0, 0])
    other = ml3.Learner("zoo:mountain_car", "mountain_car", set={"policy.hidden": [50]}).learn(1)
    assert other.policy.shape["hidden"] == [50]


@test
def a_policy_in_numpy_acts_as_in_c():
    c, pointer = ml3.library, ctypes.c_void_p
    error = ctypes.POINTER(structures.ErrorStruct)
    c.declare({"ml3_policy_open": (ctypes.c_int, ctypes.c_char_p, pointer, pointer, ctypes.POINTER(pointer), error)})
    c.declare({"ml3_policy_act": (None, *[pointer] * 5)})
    ml3.Learner("zoo:reacher").learn(1).save(ROOT / "reacher.safetensors")  # takes inputs relative to others
    ml3.train("pendulum", set={"method": "ppo", "learner": {"updates": 2, "envs": 2, "steps": 64}}, output=ROOT / "gaussian", log="none")
    ml3.train("pendulum", set={"method": "sac", "learner": {"updates": 1, "steps": 120}, "policy.hidden": [16]}, output=ROOT / "squashed", log="none")
    kinds = []
    for env, path in (("reacher_joints", ROOT / "reacher.safetensors"), ("cart_pole", ROOT / "python_ppo"), ("pendulum", ROOT / "gaussian"),
                      ("pendulum", ROOT / "squashed"), ("mountain_car", ROOT / "adapted.safetensors")):
        policy, memory, theta = ml3.load_policy(path), ctypes.create_string_buffer(1 << 14), pointer()
        kinds.append(policy.shape["kind"])
        spec = c.find(env)
        c.call(c.lib.ml3_policy_open, os.fsencode(policy.path), spec.pointer, ctypes.addressof(memory), ctypes.byref(theta))
        for obs in np.random.default_rng(2).normal(size=(20, policy.inputs)):
            action = np.zeros(spec.dim("action"))
            c.lib.ml3_policy_act(ctypes.addressof(memory), theta, obs.ctypes.data, None, action.ctypes.data)
            found = policy.predict(obs)
            assert np.allclose(found, action, rtol=1e-9, atol=1e-12), (env, found, action)
    assert kinds == ["deterministic", "categorical", "gaussian", "squashed_gaussian", "deterministic"], kinds


@test
def a_loss_takes_rows_or_columns_by_name_and_is_that_of_c():
    loss = ml3.load_loss("zoo:sine")
    assert loss.names == ["x", "prediction", "target", "loss"] and 0 < loss.rate < 10
    rows = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    value = loss.numpy(rows)
    assert value == loss.numpy(**{name: rows[:, i] for i, name in enumerate(loss.names)})
    ml3.library.declare(
        {
            "ml3_loss_load": (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(structures.ErrorStruct)),
            "ml3_loss_function_new": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(structures.ErrorStruct)),
            "ml3_loss_function_run": (ctypes.c_double, *[ctypes.c_void_p] * 5),
        }
    )
    for name in sorted(entry.name for entry in (HERE.parents[1] / "zoo").iterdir() if entry.is_dir()):
        loss = ml3.load_loss(f"zoo:{name}")
        rows = np.random.default_rng(1).normal(size=(9, len(loss.names))).astype(ml3.library.real)
        c = ml3.library.call(ml3.library.lib.ml3_loss_load, os.fsencode(loss.path))
        f = ml3.library.call(ml3.library.lib.ml3_loss_function_new, c, 9)
        expected = ml3.library.lib.ml3_loss_function_run(f, rows.ctypes.data, None, None, None)
        assert math.isclose(loss.numpy(rows), expected, rel_tol=1e-4), (name, loss.numpy(rows), expected)
    refuses(ValueError, "'prediction' is missing among the columns", ml3.load_loss("zoo:sine").numpy, {"x": [0.0]})
    refuses(ValueError, "rows have shape (2, 3); expected [n, 4]", ml3.load_loss("zoo:sine").numpy, np.zeros((2, 3)))
    refuses(ml3.Error, "the zoo has no 'nothing'; there are digits", ml3.load_loss, "zoo:nothing")


@test
def mistakes_are_sentences():
    refuses(ml3.Error, "did you mean 'mountain_car'?", ml3.train, "mountain_caar")
    refuses(ml3.Error, "outer.step", ml3.train, "mountain_car", set={"outer.step": 3})
    refuses(ml3.Error, "seed", ml3.train, "mountain_car", seed=-1)
    refuses(ml3.Error, "exists", ml3.train, "mountain_car", output=ROOT / "python")
    refuses(ml3.Error, "is not there", ml3.load_policy, ROOT / "python")
    refuses(ValueError, "stays in its folder", ml3.train, resume=ROOT / "python", output=ROOT / "x")
    refuses(ValueError, "is an empty list", ml3.compare, [])
    refuses(ml3.Error, "unknown method 'nothing'", ml3.compare, ROOT / "python", methods=["nothing"])
    (ROOT / "text.safetensors").write_text("no tensors")
    refuses(ml3.Error, "is damaged or no file of safetensors", ml3.load_loss, ROOT / "text.safetensors")
    refuses(ml3.Error, "is not a policy", ml3.load_policy, ROOT / "python/loss.safetensors")
    refuses(ValueError, "which loss?", ml3.Learner, None)


@test
def training_is_as_quick_as_the_command():
    long = {"outer": {"steps": 300, "tasks": 4}, "validation": {"tasks": 4, "every": 100}, "threads": 1}
    records = []
    began = os.times()
    r = ml3.train("mountain_car", set=long, output=ROOT / "quick", log="none", callback=records.append)
    here = os.times().user - began.user
    began = os.times()
    command("train", "mountain_car", "-o", ROOT / "quick_command", "--log", "none", *sets(long))
    there = os.times().children_user - began.children_user
    print(f"   300 outer steps: {here:.2f} s here, {there:.2f} s by the command", flush=True)
    assert here < 1.3 * there + 0.3 and len(records) >= 304
    same_files(r.path, ROOT / "quick_command", "loss.safetensors")


@test
def importing_takes_neither_pytorch_nor_pandas():
    code = "import sys, ml3; print(sorted({'torch', 'jax', 'pandas', 'matplotlib'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]", found


run()
