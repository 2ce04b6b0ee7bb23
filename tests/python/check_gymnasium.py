"""python/ under Gymnasium's own checker, and its promises. Exit code 77 where Gymnasium is not installed."""
import warnings

from checking import refuses, run, test  # first: it skips where Gymnasium is missing

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

import ml3

NAMES = list(ml3.environments())


def rollout(env, actions, **reset):
    """All that an episode gives, as one list of bytes."""
    obs, info = env.reset(**reset)
    rows = [obs.tobytes(), info["state"].tobytes()]
    for action in actions:
        obs, reward, terminated, truncated, info = env.step(action)
        rows += [obs.tobytes(), reward, terminated, truncated, info["state"].tobytes()]
    return rows


@test
def every_environment_passes_the_checker():
    may_be = ("minimum value is -infinity", "maximum value is infinity", "symmetric and normalized")
    for name in NAMES:
        env = gymnasium.make(ml3.library.find(name).gymnasium_id, render_mode="rgb_array", width=64, height=64)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(env.unwrapped, skip_render_check=name != "reacher")
        odd = [str(w.message) for w in caught if not any(m in str(w.message) for m in may_be)]
        assert not odd, f"{name}: {odd}"
        env.close()


@test
def same_seed_same_bits_and_another_seed_another_episode():
    for name in NAMES:
        env, twin = ml3.Env(name), ml3.Env(name)
        env.action_space.seed(1)
        actions = [env.action_space.sample() for _ in range(20)]
        first = rollout(env, actions, seed=7)
        assert rollout(twin, actions, seed=7) == first, name
        assert rollout(env, actions) != first, f"{name}: the next episode is the first again"
        assert rollout(env, actions, seed=7) == first, name
        assert rollout(env, actions, seed=8) != first, name


@test
def a_vector_is_its_environments_side_by_side():
    for name in NAMES:
        spec = ml3.environments()[name]
        env = gymnasium.make(ml3.library.find(name).gymnasium_id, horizon=None)
        vectors = [ml3.VectorEnv(name, num_envs=n, threads=t) for n, t in ((3, 1), (5, 2))]
        obs, _ = env.reset(seed=11)
        rows = [v.reset(seed=11)[0] for v in vectors]
        rng, ended = np.random.default_rng(0), 0
        for _ in range(min(2 * spec["horizon"] + 3, 300)):
            assert all((r[0] == obs).all() for r in rows) and (rows[0] == rows[1][:3]).all(), name
            if spec["choices"]:
                actions = rng.integers(spec["choices"], size=5)
            else:
                actions = rng.uniform(-1, 1, (5, *env.action_space.shape)).astype(np.float32)
                actions = env.action_space.low + (actions + 1) / 2 * (env.action_space.high - env.action_space.low)
            obs, reward, terminated, truncated, _ = env.step(actions[0])
            steps = [v.step(actions[: v.num_envs]) for v in vectors]
            rows = [s[0] for s in steps]
            for rows_, rewards, terminations, truncations, infos in steps:
                assert np.float32(reward) == np.float32(rewards[0])
                assert (terminations[0], truncations[0]) == (terminated, truncated), name
                if terminated or truncated:
                    assert infos["_final_obs"][0] and (infos["final_obs"][0] == obs).all(), name
            if terminated or truncated:
                ended += 1
                obs, _ = env.reset()
        assert ended >= 2 or spec["horizon"] > 150, name


@test
def terminated_and_truncated_are_kept_apart():
    env = gymnasium.make("ml3/MountainCarContinuous-v0")
    obs, _ = env.reset(seed=0)
    for step in range(1, 1000):
        obs, reward, terminated, truncated, info = env.step([1.0 if obs[1] >= 0 else -1.0])
        if terminated or truncated:
            break
    assert terminated and not truncated and step < 999 and reward > 99 and info["success"]
    env.reset(seed=0)
    for step in range(1, 1000):
        _, _, terminated, truncated, _ = env.step([0.0])
        assert truncated == (step == 999) and not terminated


@test
def a_vector_says_in_its_metadata_how_it_resets():
    envs = gymnasium.make_vec("ml3/Reacher-v0", num_envs=2)
    assert envs.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
    envs.reset(seed=0)
    for step in range(1, 51):
        _, _, _, truncated, infos = envs.step(envs.action_space.sample())
        assert ("final_obs" in infos) == (step == 50) and truncated.all() == (step == 50)


@test
def tasks_are_given_by_name_or_in_full():
    env = ml3.Env("reacher")
    env.reset(seed=1, options={"task": {"goal_angle": 0.5, "goal_radius_squared": 0.01}})
    assert np.allclose(env.goal, [0.1 * np.cos(0.5), 0.1 * np.sin(0.5)])
    assert env.task["goal_angle"] == 0.5
    env.reset(options={"task": list(env.task.values())})
    assert np.allclose(env.goal, [0.1 * np.cos(0.5), 0.1 * np.sin(0.5)])
    refuses(ValueError, "goal_angle", env.reset, options={"task": {"goal": 1}})
    refuses(ValueError, "expected", env.reset, options={"task": [1, 2]})
    refuses(ValueError, "finite", env.reset, options={"task": {"goal_angle": np.nan}})


@test
def the_state_can_be_read_and_put_back():
    for name in NAMES:
        env = ml3.Env(name)
        env.reset(seed=2)
        first, last = (1, 0) if env.description["choices"] else (env.action_space.high, env.action_space.low)
        env.step(first)
        state = env.state
        env.step(last)
        env.state = state
        assert (env.state == state).all(), name
        refuses(ValueError, "finite numbers", setattr, env, "state", [1.0])


@test
def mistakes_are_told():
    refuses(ml3.library.Error, "did you mean 'reacher'?", ml3.Env, "recher")
    env, envs = ml3.Env("reacher"), ml3.VectorEnv("reacher", num_envs=3)
    env.reset(seed=0)
    before = env.state
    refuses(ml3.library.Error, "'reacher'", env.step, [np.nan, 0])
    assert (env.state == before).all()
    refuses(ValueError, "shape", env.step, [0.0])
    envs.reset(seed=0)
    refuses(ValueError, "environment 1", envs.step, [[0, 0], [0, np.inf], [0, 0]])
    refuses(ValueError, "shape", envs.step, [[0, 0]])
    refuses(ml3.library.Error, "at least 1", ml3.VectorEnv, "reacher", num_envs=0)
    refuses(ValueError, "render_mode", ml3.Env, "reacher", render_mode="ansi")


@test
def choices_are_a_discrete_space_and_no_other_number_is_taken():
    env, envs = ml3.Env("acrobot"), ml3.VectorEnv("acrobot", num_envs=3)
    assert env.action_space == gymnasium.spaces.Discrete(3) and env.action_space.contains(env.action_space.sample())
    assert envs.action_space == gymnasium.spaces.MultiDiscrete([3, 3, 3])
    env.reset(seed=0), envs.reset(seed=0)
    before = env.state
    for bad in (3, -1, 0.5, np.nan):
        refuses(ml3.library.Error, "a whole number from 0 to 2 is needed", env.step, bad)
        refuses(ValueError, "environment 1 is", envs.step, [0, bad, 0])
    assert (env.state == before).all()
    refuses(ValueError, "shape", env.step, [1])
    env.step(np.int64(2)), envs.step(envs.action_space.sample())


@test
def pictures_show_the_state():
    env = gymnasium.make("ml3/Reacher-v0", render_mode="rgb_array", width=120, height=80)
    env.reset(seed=1)
    first = env.render()
    env.step([1.0, 1.0])
    second = env.render()
    assert first.shape == (80, 120, 3) and first.dtype == np.uint8 and first.std() > 10
    assert (first != second).any()
    env.close()


run()
