"""Gymnasium's environments in ml3's command (gym:ID, envs/gym.h): training, same seed same bits, resuming, comparing, collecting;
Dict observations, discrete actions, arguments; and environments that raise, die, hang, or give what their space does not say."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time


from checking import run, test

COMMAND = os.environ.get("ML3_COMMAND", "build/ml3")
COMMAND = os.path.abspath(COMMAND)
FOLDER = tempfile.TemporaryDirectory()
HERE = pathlib.Path(FOLDER.name)
SMALL = ["--set", "learner.updates=3", "learner.envs=2", "learner.steps=64", "learner.minibatches=2", "learner.epochs=2"]

(HERE / "worlds.py").write_text('''
import os, time
import gymnasium, numpy as np
from gymnasium import spaces


class Line(gymnasium.Env):
    """A point on a line; fault: what goes wrong at the 30th step of an instance."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(self, fault="", target=0.5, kind="box", render_mode=None):
        self.render_mode = render_mode
        self.fault, self.target, self.kind, self.steps = fault, target, kind, 0
        self.observation_space = spaces.Box(-10, 10, (2,), np.float32)
        if kind == "dict":
            self.observation_space = spaces.Dict({"place": self.observation_space, "mode": spaces.Discrete(3)})
        self.action_space = spaces.Discrete(3, start=-1) if kind == "discrete" else spaces.Box(-1, 1, (1,), np.float32)
        if kind == "int":
            self.action_space = spaces.MultiDiscrete([2, 3])

    def look(self):
        place = np.array([self.x, self.target], np.float32)
        return {"place": place, "mode": self.steps % 3} if self.kind == "dict" else place

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        if self.fault == "reset":
            raise RuntimeError("no way to begin")
        self.x = self.np_random.uniform(-1, 1)
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        self.x = float(np.clip(self.x + 0.1 * float(np.asarray(action).ravel()[0]), -10, 10))
        done, observation = abs(self.x - self.target) < 0.02, self.look()
        if self.steps > 30:
            if self.fault == "raise":
                raise ValueError("the motor is too hot")
            if self.fault == "die":
                os.write(2, b"cannot go on: no fuel\\n")
                os._exit(3)
            if self.fault == "hang":
                time.sleep(1000)
            if self.fault == "shape":
                observation = np.zeros(5, np.float32)
            if self.fault == "nan":
                observation[1] = np.nan
            if self.fault == "reward":
                return observation, np.inf, done, False, {}
        return observation, -abs(self.x - self.target), done, False, {"is_success": done}


    def render(self):
        if self.fault == "render":
            return [1, 2, 3]
        picture = np.zeros((33, 64, 3), np.uint8)
        picture[:, int(np.clip(32 + 10 * self.x, 0, 63))] = 255
        return picture


gymnasium.register("Line-v0", entry_point="worlds:Line", max_episode_steps=25)
''')
os.environ["PYTHONPATH"] = f"{HERE}:{os.environ.get('PYTHONPATH', '')}"
os.environ["ML3_PYTHON"] = sys.executable


def spread(arguments):
    """One --set for each setting: --set a=1 b=2 is short for two."""
    for i, a in enumerate(arguments):
        setting = "=" in a and not a.startswith(("-", "gym:"))
        if setting and arguments[i - 1] != "--set":
            yield "--set"
        yield a


def ml3(*arguments, code=0):
    arguments = [*spread(arguments)]
    done = subprocess.run([COMMAND, *arguments], cwd=HERE, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def train(name, output, *more, code=0):
    return ml3("train", name, "--set", "method=ppo", "-o", output, "--quiet", *SMALL, *more, code=code)


def metrics(output):
    """Without the columns of clocks."""
    lines = (HERE / output / "metrics.csv").read_text().splitlines()
    names = lines[0].split(",")
    keep = [i for i, n in enumerate(names) if n not in ("seconds", "charts/SPS", "time/fps") and "SPS" not in n]
    return [[line.split(",")[i] for i in keep] for line in lines]


def policy(output):
    return (HERE / output / "policy.safetensors").read_bytes()


def says(text, *words):
    for word in words:
        assert word in text, f"'{word}' is not in: {text}"


@test
def a_policy_learns_pendulum():
    says(train("gym:Pendulum-v1", "pendulum"), "after 3 updates", "384 environment steps")
    says((HERE / "pendulum/config.yaml").read_text(), 'environment: "gym:Pendulum-v1"')
    says(ml3("evaluate", "pendulum", "--episodes", "3"), "gym:Pendulum-v1", "return")


@test
def same_seed_same_bits():
    for output, threads in (("same1", "1"), ("same2", "2")):
        train("gym:worlds:Line-v0", output, "--set", f"threads={threads}")
    assert policy("same1") == policy("same2")
    assert metrics("same1") == metrics("same2")
    train("gym:worlds:Line-v0", "same3", "--set", "env.workers=1")
    assert policy("same1") == policy("same3"), "however many workers"
    train("gym:worlds:Line-v0", "other", "--set", "seed=1")
    assert policy("same1") != policy("other")


@test
def a_run_goes_on_with_the_same_bits():
    train("gym:worlds:Line-v0", "whole", "--set", "checkpoint.every=1")
    train("gym:worlds:Line-v0", "begun", "--set", "checkpoint.every=1", "learner.updates=2", "learner.anneal=false")
    train("gym:worlds:Line-v0", "whole2", "--set", "checkpoint.every=1", "learner.anneal=false")
    ml3("train", "--resume", "begun", "--quiet", "--set", "learner.updates=3")
    assert policy("begun") == policy("whole2")
    assert policy("begun") != policy("whole")


@test
def arguments_are_remembered():
    train("gym:worlds:Line-v0", "arguments", "--set", "env.kwargs.target=-0.25", "env.timeout_s=30")
    says((HERE / "arguments/config.yaml").read_text(), "gym:worlds:Line-v0?target=-0.25#timeout_s=30")
    ml3("collect", "arguments", "--policy", "arguments/policy.safetensors", "--episodes", "2", "-o", "data-arguments")
    import h5py

    with h5py.File(HERE / "data-arguments/data/main_data.hdf5") as file:
        episode = file["episode_0"]
        assert (episode["observations"][:, 1] == -0.25).all()
        assert len(episode["rewards"]) <= 25
    train("gym:worlds:Line-v0?target=-0.25#timeout_s=30", "arguments2")
    assert policy("arguments") == policy("arguments2")


@test
def spaces_become_numbers():
    train("gym:worlds:Line-v0", "dict", "--set", "env.kwargs.kind=dict")
    train("gym:worlds:Line-v0", "discrete", "--set", "env.kwargs.kind=discrete")
    says((HERE / "discrete/config.yaml").read_text(), "kind: categorical")
    train("gym:FrozenLake-v1", "lake")
    says(train("gym:worlds:Line-v0", "int", "--set", "env.kwargs.kind=int", code=1), "actions of MultiDiscrete are not possible")


@test
def a_learned_loss_trains_and_is_compared():
    small = ["outer.steps=1", "outer.warmup=0", "outer.tasks=2", "inner.steps=1", "inner.lifetime=1", "validation.tasks=2", "validation.steps=1"]
    ml3("train", "gym:worlds:Line-v0", "-o", "loss", "--quiet", "--set", *small)
    says((HERE / "loss/config.yaml").read_text(), "rows: entry", "problem: \"model_free\"")
    text = ml3("compare", "loss", "--methods", "learned_loss,ppo", "--quiet", "--set", "test.tasks=2", "learner.updates=2",
               "learner.envs=2", "learner.steps=64", "learner.minibatches=2")
    says(text, "PPO")


@test
def what_goes_wrong_is_a_sentence():
    for fault, words in {
        "raise": ["failed in step", "ValueError: the motor is too hot", "worlds.py:"],
        "reset": ["RuntimeError: no way to begin"],
        "die": ["exit code 3", "cannot go on: no fuel"],
        "shape": ["an observation has the shape (5,), and its space says (2,)"],
        "nan": ["entry 1 of the observation", "nan"],
        "reward": ["the reward is inf"],
    }.items():
        text = train("gym:worlds:Line-v0", fault, "--set", f"env.kwargs.fault={fault}", "checkpoint.every=1", code=1)
        says(text, "gym:worlds:Line-v0", *words)
        assert "<string>" not in text, text
        assert not list(HERE.glob(f"{fault}/**/*.tmp*"))


@test
def a_hang_ends():
    begun = time.monotonic()
    text = train("gym:worlds:Line-v0", "hang", "--set", "env.kwargs.fault=hang", "env.timeout_s=1", code=1)
    says(text, "no answer within 1 s (env.timeout_s)", "worlds.py")
    assert time.monotonic() - begun < 60


@test
def the_checkpoint_is_whole():
    """The worker dies in the fourth update; what was learned until then goes on where it does not die."""
    (HERE / "late.py").write_text((HERE / "worlds.py").read_text().replace("self.steps > 30", "self.steps > 200")
                                  .replace("Line-v0", "Late-v0").replace("worlds:Line", "late:Line"))
    text = ml3("train", "gym:late:Late-v0", "-o", "late", "--quiet", *SMALL, "--set", "method=ppo", "env.kwargs.fault=raise",
               "checkpoint.every=1", "learner.updates=9", code=1)
    says(text, "ValueError")
    (HERE / "late.py").write_text((HERE / "late.py").read_text().replace("self.steps > 200", "self.steps > 10**9"))
    says(ml3("train", "--resume", "late"), "after 9 updates")


@test
def an_environment_draws_itself():
    if not shutil.which("ffmpeg"):
        return
    train("gym:worlds:Line-v0", "drawn", "--set", "env.kwargs.target=100")
    says(ml3("record", "drawn", "-o", "frames"), "3 rollouts")
    frames = sorted((HERE / "frames").iterdir())
    assert len(frames) == 3 * (26 + 10), len(frames)  # policy, random and no action; half a second of the end
    ml3("record", "gym:worlds:Line-v0", "-o", "end.png", "-q")
    assert (HERE / "end.png").stat().st_size > 50
    says(ml3("record", "gym:worlds:Line-v0?fault=render", code=1), "render() gives list")
    assert not list(HERE.glob("*.mp4*"))


@test
def what_cannot_be_says_so():
    says(ml3("train", "gym:Nothing-v0", code=1), "Nothing")
    says(ml3("plan", "gym:worlds:Line-v0", code=1), "needs to set the state")
    says(ml3("train", "pendulum", "--set", "env.kwargs.g=1", code=2), "is a setting of Gymnasium's environments")
    says(ml3("train", "gym:worlds:Line-v0", "--set", "env.colour=1", code=2), "unknown setting env.colour")
    says(ml3("train", "gym:worlds:Line-v0", "--set", "env.timeout_s=soon", code=2), "expected seconds")
    os.environ["ML3_PYTHON"] = "/nowhere/python"
    says(ml3("train", "gym:worlds:Line-v0", code=1), "'/nowhere/python' cannot be started", "ML3_PYTHON")
    os.environ["ML3_PYTHON"] = sys.executable


@test
def no_worker_is_left():
    time.sleep(1.5)
    left = [p for p in pathlib.Path("/proc").glob("[0-9]*/environ") if p.exists() and readable(p, str(HERE))]
    assert not left, left


def readable(path, text):
    try:
        return text.encode() in path.read_bytes() and int(path.parent.name) != os.getpid()
    except OSError:
        return False


run()
