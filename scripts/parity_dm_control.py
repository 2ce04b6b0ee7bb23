"""dm_control's benchmark tasks beside the YAMLs of scripts/tasks/dm_control, for scripts/parity: from the same states and by the
same actions, every observation (flattened, in dm_control's order) and reward."""
import importlib.metadata
import math
import os
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "tasks" / "dm_control"
TOLERANCE = 1e-9  # absolute, and relative for what is above 1
EPISODE = 50  # steps


def wrapped(angle):
    return (angle + math.pi) % (2 * math.pi) - math.pi


# What dm_control draws by changing its model, as parameters of the task.


def finger_turn(physics):
    x, z = physics.named.model.site_pos["target", ["x", "z"]]
    return {"angle": math.atan2(x - 0.2, z - 0.4)}


def fish_swim(physics):
    place = physics.named.model.geom_pos["target"]
    return {f"geom_target_{axis}": x for axis, x in zip("xyz", place)}


def reacher(physics):
    x, y = physics.named.model.geom_pos["target", ["x", "y"]]
    return {"angle": math.atan2(x, y) % (2 * math.pi), "radius": math.hypot(x, y)}


def point_mass_hard(physics):
    first, second = (math.atan2(y, x) for x, y in physics.model.wrap_prm.reshape(2, 2))
    return {"first": first, "between": wrapped(second - first)}


DRAWN = {
    "finger_turn_easy": finger_turn,
    "finger_turn_hard": finger_turn,
    "fish_swim": fish_swim,
    "reacher_easy": reacher,
    "reacher_hard": reacher,
    "point_mass_hard": point_mass_hard,
}


# Where random starts and actions are hardly ever paid: near what is. The joints are about the model's own pose then.


def ball_in_cup(physics, rng):
    physics.named.data.qpos["ball_z"] = 0.35 + 0.01 * rng.standard_normal()


def finger_spins(physics, rng):
    physics.named.data.qvel["hinge"] = -15 + rng.standard_normal()


def finger_at_target(physics, rng):
    (angle,) = finger_turn(physics).values()
    physics.named.data.qpos["hinge"] = -angle + 0.5 * rng.standard_normal()


def target_at(geom):
    def place(physics, rng):
        physics.named.model.geom_pos["target"] = physics.named.data.geom_xpos[geom] + 0.02 * rng.standard_normal(3)

    return place


NEAR = {
    "ball_in_cup_catch": ball_in_cup,
    "finger_spin": finger_spins,
    "finger_turn_easy": finger_at_target,
    "finger_turn_hard": finger_at_target,
    "fish_swim": target_at("mouth"),
    "reacher_easy": target_at("finger"),
    "reacher_hard": target_at("finger"),
}
# Sensors of forces: as an episode begins dm_control has those without actuation, and ml3 none yet.
FORCES = ("finger", "hopper", "dog")


def load(name):
    """The environment of dm_control that a file is named by, and its domain."""
    from dm_control import suite

    domain = max((d for d in suite._DOMAINS if name.startswith(d + "_")), key=len)
    return suite.load(domain, name[len(domain) + 1 :], task_kwargs={"random": 1}), domain


def flat(observation):
    return np.concatenate([np.ravel(x) for x in observation.values()])


def start_near(physics, rng, near):
    """About the model's own pose, and where `near` says."""
    if near:  # which may ask where things are
        with physics.reset_context():
            pass
    with physics.reset_context():
        data = physics.data
        data.qpos[:] += 0.05 * rng.standard_normal(data.qpos.size)
        data.qvel[:] += 0.05 * rng.standard_normal(data.qvel.size)
        if near:
            near(physics, rng)


def begin(name, theirs, ours, rng, usual):
    """Both in the same state, without what a solver may start from: as an episode of dm_control's begins, or near what is paid.
    What is observed there."""
    theirs.reset()
    physics = theirs.physics
    if not usual:
        start_near(physics, rng, NEAR.get(name))
    data = physics.data
    data.qacc_warmstart[:] = 0
    ours.reset(options={"task": DRAWN[name](physics) if name in DRAWN else {}})
    ours.state = np.concatenate([data.qpos, data.qvel, data.act])
    return flat(theirs.task.get_observation(physics)), ours._observe()


def difference(expected, found):
    """The largest over the numbers of two vectors; infinite where they are not as long, or no numbers."""
    if expected.shape != found.shape:
        return math.inf
    off = np.abs(expected - found) / np.maximum(1, np.abs(expected))
    return math.inf if np.isnan(off).any() else float(off.max(initial=0))


def told(theirs, ours):
    """What both say of themselves, where that is not the same."""
    spec = theirs.action_spec()
    steps = theirs._step_limit
    facts = {
        "step": (theirs.control_timestep(), ours.description["dt_s"]),
        "horizon": (steps, ours.horizon),
        "least actions": (spec.minimum.tolist(), ours.action_space.low.tolist()),
        "largest actions": (spec.maximum.tolist(), ours.action_space.high.tolist()),
    }
    return [f"{what}: {a}, {b}" for what, (a, b) in facts.items() if not np.allclose(a, b, rtol=1e-12, atol=0)]


def compare(name, steps):
    """The largest difference of observations, of rewards; how many different rewards there were; what else differs."""
    import ml3

    theirs, domain = load(name)
    ours = ml3.Env(str(FOLDER / f"{name}.yaml"), dtype=np.float64)
    rng, off, paid, rewards = np.random.default_rng(1), 0.0, 0.0, set()
    spec = theirs.action_spec()
    for episode in range(max(1, steps // EPISODE)):
        expected, found = begin(name, theirs, ours, rng, episode % 2 == 0)
        if domain not in FORCES:
            off = max(off, difference(expected, found))
        size = (1, 0.3, 0.05)[episode % 3]
        for _ in range(EPISODE):
            action = size * rng.uniform(spec.minimum, spec.maximum)
            step = theirs.step(action)
            found, reward, *_ = ours.step(action)
            off = max(off, difference(flat(step.observation), found))
            paid = max(paid, difference(np.array([step.reward]), np.array([reward])))
            rewards.add(round(reward, 6))
    return off, paid, len(rewards), told(theirs, ours)


def side_by_side(steps):
    """Prints what differs for each task; True when something does, or a reward was always the same: nothing is compared then."""
    import warnings

    warnings.simplefilter("ignore")  # of a window that is not there
    import mujoco
    from dm_control import suite

    os.environ["DM_CONTROL"] = os.path.dirname(suite.__file__)
    failed, names = False, sorted(path.stem for path in FOLDER.glob("*.yaml"))
    for name in names:
        off, paid, kinds, other = compare(name, steps)
        wrong = max(off, paid) > TOLERANCE or kinds < 2 or bool(other)
        failed |= wrong
        print(f"{'DIFFERS ' if wrong else ''}{name}: {steps} steps, observations differ by {off:.3g}, rewards ({kinds} different "
              f"ones) by {paid:.3g}{''.join('; ' + text for text in other)}", flush=True)
    print(f"{len(names)} tasks of dm_control {importlib.metadata.version('dm_control')}, both on MuJoCo {mujoco.__version__}")
    return failed
