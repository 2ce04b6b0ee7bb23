"""python/'s vectors beside Gymnasium's SyncVectorEnv of the same single environments: the same observations, rewards, ends and
infos in each autoreset mode; limits, seeds, options."""
import warnings

from checking import refuses, run, same, test  # first: it skips where Gymnasium is missing

import gymnasium
import numpy as np
from gymnasium.error import Error, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import ml3

EVERY = list(ml3.environments())
LANES = [name for name in EVERY if name.startswith(("mountain_car", "cart_pole"))]  # formulas: their vectors agree to rounding
EXACT = [name for name in EVERY if name not in LANES]


def both(name, count, mode, limit, **named):
    """A vector of ours and one of Gymnasium's."""
    identity = ml3.library.find(name).gymnasium_id
    single = dict(max_episode_steps=limit, dtype=ml3.library.real, **named)
    ours = gymnasium.make_vec(identity, num_envs=count, max_episode_steps=limit, autoreset_mode=mode, **named)
    theirs = SyncVectorEnv([lambda: gymnasium.make(identity, **single)] * count, autoreset_mode=mode)
    assert isinstance(ours.unwrapped, ml3.VectorEnv)
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is mode
    assert ours.single_observation_space == theirs.single_observation_space
    return ours, theirs


def alike(name, a, b, where):
    if name not in LANES:
        return same(a, b, where)
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            alike(name, a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (tuple, list)) or getattr(a, "dtype", None) == object:
        for x, y in zip(a, b):
            alike(name, x, y, where)
    elif a is not None:
        assert np.allclose(a, b, rtol=1e-5, atol=1e-6), where
    else:
        assert b is None, where


@test
def every_autoreset_mode_is_as_gymnasiums_own():
    for name in EVERY:
        for mode in AutoresetMode:
            ours, theirs = both(name, 3, mode, 7)
            seeds, reset = [5, 2**40, 9], np.array([True, False, True])
            alike(name, ours.reset(seed=seeds), theirs.reset(seed=seeds), f"{name} {mode} reset")
            ours.action_space.seed(1)
            ended = np.zeros(3, bool)
            for t in range(25):
                if mode is AutoresetMode.DISABLED and ended.any():
                    options = {"reset_mask": ended}
                    alike(name, ours.reset(options=options), theirs.reset(options=dict(options)), f"{name} {mode} {t}")
                if t == 4:  # two rows ahead of their time: the others end apart from them
                    options = {"reset_mask": reset}
                    alike(name, ours.reset(options=options), theirs.reset(options=dict(options)), f"{name} {mode} mask")
                action = ours.action_space.sample()
                answers = ours.step(action), theirs.step(action)
                alike(name, *answers, f"{name} {mode} step {t}")
                ended = answers[0][2] | answers[0][3]
            ours.close()
            theirs.close()


@test
def a_seed_list_gives_the_single_environments():
    for name in EXACT:
        ours, theirs = both(name, 4, AutoresetMode.SAME_STEP, 5)
        for seeds in ([3, 1, 4, 1], [None, 7, None, 8], None, [2**64 + 5, 5, 0, 2**70]):
            same(ours.reset(seed=seeds), theirs.reset(seed=seeds), f"{name} {seeds}")
    first = [ml3.VectorEnv("pointmass", num_envs=2).reset(seed=s)[0].tobytes() for s in (5, np.int64(5), np.uint8(5), 2**64 + 5)]
    assert first[0] == first[1] == first[2] != first[3]
    single = [ml3.Env("pointmass").reset(seed=s)[0].tobytes() for s in (5, np.int32(5), 2**64 + 5)]
    assert single[0] == single[1] != single[2]
    assert first[0].startswith(single[0])


@test
def seeds_that_are_none_are_told():
    env, envs = ml3.Env("pointmass"), ml3.VectorEnv("pointmass", num_envs=2)
    for seed in (-1, np.int64(-1), 0.5, "1"):
        refuses(Error, "Seed must be", env.reset, seed=seed)
        refuses(Error, "Seed must be", envs.reset, seed=seed)
        refuses(Error, "Seed must be", envs.reset, seed=[0, seed])
    refuses(ValueError, "2 environments", envs.reset, seed=[1, 2, 3])


@test
def options_of_a_reset_are_taken_or_told():
    envs = ml3.VectorEnv("reacher", num_envs=3)
    angle = [p["name"] for p in envs.description["task"]].index("goal_angle")
    usual = envs.reset(seed=1)[1]["task"]
    told = envs.reset(seed=1, options={"task": {"goal_angle": 0.5}})[1]["task"]
    assert (told[:, angle] == 0.5).all()
    assert (np.delete(told, angle, axis=1) == np.delete(usual, angle, axis=1)).all()
    told = envs.reset(seed=1, options={"task": {"goal_angle": [0.1, 0.2, 0.3]}})[1]["task"]
    assert (told[:, angle] == [0.1, 0.2, 0.3]).all()
    assert (envs.reset(options={"task": usual[1]})[1]["task"] == usual[1]).all()
    assert (envs.reset(options={"task": usual})[1]["task"] == usual).all()
    one = ml3.Env("reacher")
    for e, shape in ((envs, "values of a parameter"), (one, "takes one")):
        refuses(ValueError, "'tsk'", e.reset, options={"tsk": 1})
        refuses(ValueError, "goal_angle", e.reset, options={"task": {"goal": 1}})
        refuses(ValueError, "finite", e.reset, options={"task": {"goal_angle": np.nan}})
        refuses(ValueError, shape, e.reset, options={"task": {"goal_angle": [1, 2]}})
        e.reset(options={})
        e.reset(options={"task": None})
    for mask in ([True, False, False], np.ones(2, bool), np.zeros(3, bool), np.ones(3)):
        refuses(ValueError, "reset_mask", envs.reset, options={"reset_mask": mask})


@test
def a_vector_says_when_it_needs_a_reset():
    envs = ml3.VectorEnv("pointmass", num_envs=2, max_episode_steps=3, autoreset_mode="Disabled")
    action = np.zeros((2, 2), np.float32)
    refuses(ResetNeeded, "before the first reset", envs.step, action)
    refuses(ResetNeeded, "first reset", envs.reset, options={"reset_mask": np.array([True, False])})
    envs.reset(seed=1)
    for _ in range(3):
        envs.step(action)
    refuses(ResetNeeded, "environment 0 has ended", envs.step, action)
    envs.reset(options={"reset_mask": np.array([True, False])})
    refuses(ResetNeeded, "environment 1 has ended", envs.step, action)
    envs.reset()
    envs.step(action)


def length(env):
    env.reset(seed=0)
    for t in range(1, 301):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if np.any(terminated) or np.any(truncated):
            return t
    return None


@test
def max_episode_steps_takes_effect():
    for steps, expected in ((None, 50), (20, 20), (200, 200), (-1, None)):
        env = gymnasium.make("ml3/Reacher-v0", max_episode_steps=steps)
        assert length(env) == expected, (steps, length(env))
        envs = gymnasium.make_vec("ml3/Reacher-v0", num_envs=2, **({} if steps is None else {"max_episode_steps": steps}))
        assert length(envs) == expected, (steps, length(envs))
    assert length(ml3.Env("reacher")) == 50 and length(ml3.Env("reacher", horizon=70)) == 70
    assert length(gymnasium.make("ml3/Reacher-v0", horizon=20)) == 20
    for steps in (0, -2, 1.5):
        refuses(ValueError, "max_episode_steps", ml3.VectorEnv, "reacher", max_episode_steps=steps)
    env = gymnasium.make("ml3/Reacher-v0", horizon=200)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert length(env) == 50
    assert sum("max_episode_steps=200" in str(w.message) for w in caught) == 1


@test
def spaces_hold_every_observation():
    for name in EVERY:
        for dtype in (np.float32, np.float64):
            env = ml3.Env(name, dtype=dtype)
            env.action_space.seed(0)
            obs, _ = env.reset(seed=7)
            assert obs in env.observation_space, name
            for _ in range(1500):
                obs, _, terminated, truncated, _ = env.step(env.action_space.sample())
                if obs not in env.observation_space:
                    at = np.flatnonzero((obs < env.observation_space.low) | (obs > env.observation_space.high))
                    raise AssertionError(f"{name} {dtype.__name__}: {[(env.description['obs'][i], obs[i]) for i in at]}")
                if terminated or truncated:
                    env.reset()


@test
def the_passive_checker_warns_of_nothing():
    for name in EVERY:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            env = gymnasium.make(ml3.library.find(name).gymnasium_id)
            env.action_space.seed(0)
            env.reset(seed=7, options={})
            for _ in range(300):
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                if terminated or truncated:
                    env.reset()
        assert not caught, f"{name}: {[str(w.message) for w in caught]}"


run()
