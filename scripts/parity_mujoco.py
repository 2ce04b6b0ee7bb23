"""Gymnasium's MuJoCo environments beside ml3's, for scripts/parity: compiled models, steps side by side, samples."""
import re
import warnings

import numpy as np

IDS = {
    "ant": "Ant-v5",
    "half_cheetah": "HalfCheetah-v5",
    "hopper": "Hopper-v5",
    "humanoid": "Humanoid-v5",
    "humanoid_standup": "HumanoidStandup-v5",
    "inverted_double_pendulum": "InvertedDoublePendulum-v5",
    "inverted_pendulum": "InvertedPendulum-v5",
    "pusher": "Pusher-v5",
    "reacher": "Reacher-v5",
    "swimmer": "Swimmer-v5",
    "walker2d": "Walker2d-v5",
}
TOLERANCE = 1e-12  # absolute, and relative for what is above 1: forces of contacts are some thousands
FILE = "gymnasium_mujoco_v5.json"
RECORDED_EPISODES, RECORDED_STEPS, RECORDED_NUMBERS = 3, 40, 5600  # steps at most, and numbers of observations in an episode


def make(name):
    import gymnasium

    return gymnasium.make(IDS[name], disable_env_checker=True)


# ---- models ---------------------------------------------------------------------------------------------------------------

# What moves nothing: names and paths, pictures, keyframes (Gymnasium starts from qpos0), numbers of a user's own, the size of
# the memory, and MuJoCo's hash of all of it.
NOT_COMPARED = re.compile(r"(name|path|cam_|light_|mat_|tex_|key_|numeric_|n(name|path|cam|light|mat|tex|key|numeric|user))|"
                          r"(narena|nbuffer|signature|.*_(user|rgba|matid))$")
STATISTICS = ("meaninertia", "meanmass", "meansize")  # the extent and centre are for pictures


def numbers(thing):
    """The numbers and arrays of a structure of MuJoCo's by their names."""
    values = {name: getattr(thing, name) for name in dir(thing) if not name.startswith("_")}
    return {name: np.asarray(x) for name, x in values.items() if isinstance(x, (bool, int, float, np.ndarray))}


def facts(model):
    """Everything of a model that motion, sensors or sizes depend on."""
    statistics = {f"stat.{name}": np.asarray(getattr(model.stat, name)) for name in STATISTICS}
    options = {f"opt.{name}": x for name, x in numbers(model.opt).items()}
    return {**{name: x for name, x in numbers(model).items() if not NOT_COMPARED.match(name)}, **options, **statistics}


def compare_models(folder):
    """Prints what differs between the models of a folder and Gymnasium's; True when something does."""
    import mujoco

    failed = False
    for name in IDS:
        expected = facts(make(name).unwrapped.model)
        found = facts(mujoco.MjModel.from_xml_path(str(folder / f"{name}.xml")))
        wrong = [k for k in expected if not np.array_equal(expected[k], found[k])]
        count = sum(x.size for x in expected.values())
        print(f"model of {name}: {len(expected)} arrays, {count} numbers; differ: {', '.join(wrong) or 'none'}", flush=True)
        failed |= bool(wrong)
    return failed


# ---- steps ------------------------------------------------------------------------------------------------------------------


def state(env):
    return np.concatenate([env.unwrapped.data.qpos, env.unwrapped.data.qvel])


def action(env, episode, rng):
    """Random; small, medium, full and beyond the bounds in turn: hoppers fall soon, and should be seen standing as well."""
    high = env.action_space.high.astype(np.float64)
    return rng.uniform(-1, 1, high.size) * high * (0.05, 0.3, 1.0, 1.3)[episode % 4]


def difference(a, b):
    """Absolute below 1, relative above."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    worst = float(np.max(np.abs(a - b) / np.maximum(1, np.abs(a))))
    return worst if worst <= 1 else float("inf")


def compare(name, steps_wanted):
    """The largest difference, steps, episodes that ended by themselves, and by time; whole episodes."""
    import ml3

    theirs, ours = make(name), ml3.Env(name, dtype=np.float64)
    rng = np.random.default_rng(1)
    worst, steps, episode, terminations, truncations = 0.0, 0, 0, 0, 0
    while steps < steps_wanted:
        expected, _ = theirs.reset(seed=episode)
        ours.reset(seed=episode)
        ours.state = state(theirs)
        worst, done = max(worst, difference(expected, ours._observe())), False
        while not done:
            a = action(theirs, episode, rng)
            expected, reward, terminated, truncated, _ = theirs.step(a)
            obs, our_reward, our_terminated, our_truncated, _ = ours.step(a)
            now = max(difference(expected, obs), difference(reward, our_reward))
            if (terminated, truncated) != (our_terminated, our_truncated):
                now = float("inf")
            if now > TOLERANCE >= worst:
                print(f"{name}, episode {episode}, step {steps}: observations differ by {difference(expected, obs):.3g}, rewards "
                      f"{reward} {our_reward}, terminated {terminated} {our_terminated}, truncated {truncated} {our_truncated}")
            worst, steps, done = max(worst, now), steps + 1, terminated or truncated
        episode, terminations, truncations = episode + 1, terminations + terminated, truncations + truncated
    return worst, steps, terminations, truncations


def side_by_side(steps):
    """True when something differs by more than it may."""
    warnings.filterwarnings("ignore")  # of actions beyond the bounds
    failed = False
    for name in IDS:
        worst, done, terminations, truncations = compare(name, steps)
        failed |= not worst <= TOLERANCE
        print(f"{name} beside {IDS[name]}: {done} steps, {terminations} episodes terminated, {truncations} truncated; largest "
              f"difference {worst:.3g}", flush=True)
    return failed


# ---- samples ----------------------------------------------------------------------------------------------------------------


def rounded(x):
    """Half of them are zeros, which need not be 0.0."""
    return [int(v) if v == int(v) and abs(v) < 1e15 else v for v in np.asarray(x, dtype=np.float64).tolist()]


def record_one(name):
    """Some steps of a few episodes, with small, full and too large actions."""
    env = make(name)
    rng = np.random.default_rng(5)
    limit = min(RECORDED_STEPS, RECORDED_NUMBERS // env.observation_space.shape[0], env.spec.max_episode_steps)
    episodes = []
    for k in range(RECORDED_EPISODES):
        obs, _ = env.reset(seed=k)
        rows = {"state": rounded(state(env)), "obs": [rounded(obs)], "actions": [], "rewards": []}
        terminated = False
        while not terminated and len(rows["rewards"]) < limit:
            a = action(env, k + 1, rng)
            obs, reward, terminated, _, _ = env.step(a)
            rows["actions"].append(a.tolist())
            rows["rewards"].append(float(reward))
            rows["obs"].append(rounded(obs))
        episodes.append({**rows, "terminated": bool(terminated)})
    return {
        "horizon": env.spec.max_episode_steps,
        "dt": env.unwrapped.dt,
        "bounds": env.unwrapped.model.actuator_ctrlrange.ravel().tolist(),
        "episodes": episodes,
    }


def record():
    import gymnasium
    import mujoco

    warnings.filterwarnings("ignore")  # of actions beyond the bounds
    return {"gymnasium": gymnasium.__version__, "mujoco": mujoco.__version__, **{name: record_one(name) for name in IDS}}
