"""Environments of Python in the trainer: learned in, checked, with tasks and splits; and what goes wrong in them as sentences."""
import pathlib, tempfile, time

from checking import refuses, run, test

import gymnasium
import numpy as np

import ml3
from ml3.library import call, find, lib, real

FOLDER = tempfile.TemporaryDirectory()
ROOT = pathlib.Path(FOLDER.name)
SMALL = {
    "problem": "model_free", "rollout": {"episodes": 2}, "policy": {"hidden": [8]}, "outer": {"steps": 2, "tasks": 2},
    "validation": {"tasks": 2, "every": 1}, "inner.steps": 2,
}
BOX = gymnasium.spaces.Box


class Puck(gymnasium.Env):
    """A puck on a line, which a force pushes to a goal that it does not see. spec is None: it has no id."""

    observation_space, action_space = BOX(-10, 10, (2,), np.float64), BOX(-1, 1, (1,), np.float32)

    def __init__(self, fault=None):
        self.fault, self.goal, self.steps = fault, 0.5, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if options:
            self.goal = float(options["task"]["goal"])
        self.x, self.v, self.steps = 0.1 * self.np_random.normal(), 0.0, 0
        return np.array([self.x, self.v]), {}

    def step(self, action):
        assert action.dtype == np.float32 and action.shape == (1,)
        self.steps += 1
        self.v += 0.1 * float(action[0])
        self.x += 0.1 * self.v
        obs, reward = np.array([self.x, self.v]), -abs(self.x - self.goal)
        if self.fault is not None and self.steps == 7:
            obs, reward = self.fault(obs, reward)
        return obs, reward, False, False, {"success": abs(self.x - self.goal) < 0.1, "distance": abs(self.x - self.goal)}


TASKS = [{"goal": g} for g in (-0.6, -0.2, 0.2, 0.6)]


def puck(**named):
    return ml3.Environment(Puck, name="puck", horizon=20, **named)


@test
def check_says_what_works():
    c = puck(
        train_tasks=TASKS[:3], test_tasks=TASKS[3:], privileged=lambda env: [env.goal],
        expert=lambda env, obs: np.array([np.clip(4 * (env.goal - obs[0]) - 3 * obs[1], -1, 1)], np.float32),
        state=(lambda env: [env.x, env.v, env.goal], put),
    ).check()
    assert c.ok and c.same_bits and c.seeds_differ and c.state_returns and c.steps == 60, c
    assert c.expert_return > c.episode_return and c.own_us > 0 and "same seed, same bits twice: yes" in str(c)


def put(env, state):
    env.x, env.v, env.goal = (float(x) for x in state)
    return np.array([env.x, env.v])


@test
def check_finds_what_is_random_beyond_the_seed():
    class Dice(Puck):
        def step(self, action):
            obs, *rest = super().step(action)
            return obs + 1e-9 * np.random.random(), *rest

    c = ml3.Environment(Dice, horizon=20, name="dice").check()
    assert not c.ok and not c.same_bits and "does reset(seed=) reach all that is random?" in str(c)


@test
def a_loss_is_learned_in_it_and_the_same_bits_again():
    env = puck(train_tasks=TASKS[:3], test_tasks=TASKS[3:])
    a = ml3.train(env, set=SMALL, output=ROOT / "a", log="none")
    b = ml3.train(puck(train_tasks=TASKS[:3], test_tasks=TASKS[3:]), set={**SMALL, "threads": 2}, output=ROOT / "b", log="none")
    assert (a.path / "loss.safetensors").read_bytes() == (b.path / "loss.safetensors").read_bytes()
    assert a.config["environment"] == "puck" and np.isfinite(a.metrics["episodic_return"]).any()
    assert np.isfinite(ml3.evaluate(a, tasks=2).episode_return.mean)
    rows = ml3.compare(a, methods=["untrained", "learned_loss", "ppo"], set={"test": {"tasks": 2, "steps": [1]}, "learner": {"updates": 1, "steps": 32}}).rows
    assert len(rows) == 3 and all(np.isfinite(row["return"]) for row in rows), rows
    learner = ml3.Learner(a, env).learn(1)
    assert learner.predict([0.0, 0.0]).shape == (1,) and len(learner.history) == 2
    policy = ml3.train(env, set={"method": "ppo", "learner": {"updates": 2, "envs": 2, "steps": 64}}, output=ROOT / "ppo", log="none")
    assert np.isfinite(policy.evaluate(episodes=4).episode_return.mean)


@test
def test_tasks_are_those_of_evaluation():
    seen = []

    def reset(env, task, seed):
        seen.append(task["goal"])
        return env.reset(seed=seed, options={"task": task})

    env = puck(train_tasks=TASKS[:3], test_tasks=TASKS[3:], reset=reset)
    r = ml3.train(env, set=SMALL, output=ROOT / "tasks", log="none")
    assert set(seen) <= {-0.6, -0.2, 0.2}, seen
    seen.clear()
    r.evaluate(tasks=2)
    judged = seen[seen.index(0.6) :]  # before, inputs are measured on training tasks
    assert set(judged) == {0.6} and len(judged) > 2, seen


@test
def spaces_of_all_kinds():
    class Many(gymnasium.Env):
        observation_space = gymnasium.spaces.Dict({"image": BOX(0, 255, (2, 2), np.uint8), "which": gymnasium.spaces.Discrete(3)})
        action_space = gymnasium.spaces.Discrete(3, start=-1)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.look(), {}

        def look(self):
            return {"image": self.np_random.integers(0, 255, (2, 2)).astype(np.uint8), "which": int(self.np_random.integers(3))}

        def step(self, action):
            assert action in (-1, 0, 1)
            return self.look(), float(action), False, False, {}

    env = ml3.Environment(Many, horizon=10, name="many")
    run_ = ml3.train(env, set={"method": "ppo", "learner": {"updates": 2, "envs": 2, "steps": 16}}, output=ROOT / "many", log="none")
    policy = run_.policy()
    assert policy.discrete and policy.inputs == 7 and env.check().ok

    class Matrix(Many):
        observation_space, action_space = BOX(0, 255, (2, 2), np.uint8), BOX(-2, 2, (2, 2), np.float64)

        def look(self):
            return super().look()["image"]

        def step(self, action):
            assert action.shape == (2, 2) and action.dtype == np.float64
            return self.look(), 1.0, False, False, {}

    assert ml3.Environment(Matrix, horizon=10, name="matrix").check().ok


@test
def faults_are_sentences_and_the_cause_is_kept():
    def train(fault, words, cause=None):
        env = ml3.Environment(lambda: Puck(fault), name="faulty", horizon=20)
        try:
            ml3.train(env, set=SMALL, output=ROOT / "faulty", log="none", force=True)
        except ml3.Error as e:
            assert "environment 'faulty' failed in step 6 of the episode" in str(e) and words in str(e), e
            assert type(e.__cause__) is (cause or type(None)), e.__cause__
        else:
            raise AssertionError(words)

    def broken(obs, reward):
        raise RuntimeError("the joint is broken")

    train(broken, "RuntimeError: the joint is broken (check_environment.py:", RuntimeError)
    train(lambda obs, reward: (obs * np.nan, reward), "entry 0 of the observation (obs_0) is nan, which is no finite number")
    train(lambda obs, reward: (obs, np.inf), "the reward is inf, which is no finite number")
    train(lambda obs, reward: (obs[:1], reward), "the observation has shape (1,) (ndarray); its space says (2,)", ValueError)
    train(lambda obs, reward: (list(obs), reward), "(list); its space says (2,)", ValueError)
    train(lambda obs, reward: (obs, None), "required argument is not a float", __import__("struct").error)
    ml3.train(puck(), set=SMALL, output=ROOT / "after", log="none")  # and others are as they were

    class Sick(Puck):
        def reset(self, **named):
            if getattr(Sick, "sick", False):
                raise OSError("no such motor")
            return super().reset(**named)

    env = ml3.Environment(Sick, name="sick", horizon=20)
    Sick.sick = True
    refuses(ml3.Error, "environment 'sick' failed in reset: OSError: no such motor", ml3.train, env, set=SMALL, output=ROOT / "sick", log="none")


@test
def mistakes_are_sentences():
    refuses(ValueError, "train_tasks is an empty list", puck, train_tasks=[])
    refuses(ValueError, "test_tasks is given, and train_tasks is not", puck, test_tasks=TASKS)
    refuses(ValueError, "after how many steps does an episode end?", ml3.Environment, Puck)
    refuses(ValueError, "expected an environment of Gymnasium", ml3.Environment, dict)
    refuses(ml3.Error, "make() has failed: gymnasium.error.NameNotFound", ml3.Environment, "Nothing-v9")
    refuses(ml3.Error, "there is an environment 'reacher' already", lambda: ml3.Environment(Puck, name="reacher", horizon=5).check())
    refuses(ml3.Error, "privileged has failed: AttributeError", puck, privileged=lambda env: env.nothing)

    class Listed(Puck):
        observation_space = gymnasium.spaces.Sequence(BOX(-1, 1, (2,)))

    refuses(ValueError, "the observation space is Sequence", ml3.Environment, Listed, horizon=5)

    class Free(Puck):
        action_space = BOX(-np.inf, np.inf, (1,))

    refuses(ml3.Error, "finite bounds are needed", lambda: ml3.Environment(Free, name="free", horizon=5).check())
    refuses(ml3.Error, "state", ml3.compare, puck(), methods=["ilqr"], set={"test.tasks": 1})


@test
def an_episode_is_reset_once():
    resets = []

    class Counted(Puck):
        def reset(self, **named):
            resets.append(named["seed"])
            return super().reset(**named)

    env = ml3.Env(ml3.Environment(Counted, name="counted", horizon=20).registered_name)
    resets.clear()
    for seed in range(5):
        env.reset(seed=seed)
        env.step(env.action_space.sample())
    assert len(resets) == 5, resets
    refuses(ml3.Error, "is in use by 1 others", ml3.Environment, Counted, name="counted", horizon=20)
    env.close()
    ml3.Environment(Counted, name="counted", horizon=10)


@test
def a_step_costs_a_few_microseconds():
    class Empty(gymnasium.Env):
        observation_space, action_space = BOX(-1, 1, (17,)), BOX(-1, 1, (6,))
        answer = (np.zeros(17, np.float32), 0.0, False, False, {})

        def reset(self, *, seed=None, options=None):
            return self.answer[0], {}

        def step(self, action):
            return self.answer

    spec, rows = find(ml3.Environment(Empty, name="empty", horizon=10**6).registered_name), 64
    batch = call(lib.ml3_env_batch_new, spec.pointer, rows, 1, 0, False)
    arrays = [np.zeros((rows, 6), real), np.zeros((rows, 17), real), np.zeros(rows, real), *np.zeros((2, rows), bool), np.zeros((rows, 17), real)]
    pointers = [array.ctypes.data for array in arrays]
    lib.ml3_env_batch_reset_rows(batch, None, None, pointers[1])
    spent, own, raw = [], [], Empty()
    for _ in range(30):
        began = time.process_time()
        for _ in range(20):
            call(lib.ml3_env_batch_step, batch, *pointers)
        spent.append((time.process_time() - began) / (20 * rows))
        began = time.process_time()
        for _ in range(20 * rows):
            raw.step(None)
        own.append((time.process_time() - began) / (20 * rows))
    over = 1e6 * (min(spent) - min(own))
    print(f"   {over:.1f} us a step over the environment's own", flush=True)
    assert over < 12, over  # 4 where nothing else runs
    lib.ml3_env_batch_free(batch)


run()
