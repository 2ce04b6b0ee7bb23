"""Steps a second of Gymnasium's and EnvPool's vector environments: one JSON line an engine, for scripts/bench/envs.

    envs_python.py THREADS SECONDS ENVIRONMENT ...

Uniform random actions, made before; resets are in the measure, since both reset what has ended by themselves.
"""
import json
import pathlib
import sys
import time
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from parity_mujoco import IDS  # noqa: E402

warnings.filterwarnings("ignore")
THREADS, SECONDS, BATCH = int(sys.argv[1]), float(sys.argv[2]), 256
ENVIRONMENTS = {**IDS, "mountain_car_continuous": "MountainCarContinuous-v0"}


def rate(env, count):
    space = env.single_action_space if hasattr(env, "single_action_space") else env.action_space
    rng = np.random.default_rng(0)
    actions = [(rng.uniform(-1, 1, (count, *space.shape)) * space.high).astype(space.dtype) for _ in range(16)]
    env.reset()
    for a in actions:
        env.step(a)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for a in actions:
            env.step(a)
        steps += len(actions) * count
    return steps / (time.perf_counter() - start)


def report(environment, engine, make, count):
    line = {"environment": environment, "engine": engine, "threads": THREADS}
    try:
        env = make()
        line["steps_per_s"] = rate(env, count)
        env.close()
    except Exception as problem:  # a package that does not work here is a line of the table, not the end of it
        line["problem"] = f"{type(problem).__name__}: {problem}"[:120]
    print(json.dumps(line), flush=True)


for environment in sys.argv[3:]:
    if environment not in ENVIRONMENTS:
        continue
    name = ENVIRONMENTS[environment]
    if THREADS == 1:  # Gymnasium has no threads

        def gymnasium_vector():
            import gymnasium

            return gymnasium.make_vec(name, num_envs=16, vectorization_mode="sync")

        report(environment, "Gymnasium, vector of 16", gymnasium_vector, 16)

    def envpool_vector():
        import envpool

        return envpool.make(name, env_type="gymnasium", num_envs=BATCH, num_threads=THREADS)

    report(environment, "EnvPool, batch of 256", envpool_vector, BATCH)
