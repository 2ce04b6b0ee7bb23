"""python/: copies are copies, pickles go on in another process, what is closed says so, a forked child works."""
import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

from checking import refuses, run, same, test  # first: it skips where Gymnasium is missing

import copy
import gc

import gymnasium
import numpy as np
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AutoresetMode

import ml3

NAMES = list(ml3.environments())
MODEL = str(pathlib.Path(__file__).parents[2] / "scripts" / "examples" / "cart_pole.xml")


def actions_of(env, count, seed=0):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def play(env, actions):
    """All that the environment answers; a single one is reset where it ends."""
    answers = []
    for action in actions:
        answers.append(env.step(action))
        if isinstance(env, gymnasium.Env) and (answers[-1][2] or answers[-1][3]):
            answers.append(env.reset())
    return answers


def in_another_process(pickled, actions):
    """The same, of a pickle, by a Python that has never seen the environment, in another folder."""
    with tempfile.TemporaryDirectory() as folder:
        program = (
            "import pickle, sys\n"
            f"sys.path[:0] = {[str(pathlib.Path(__file__).parent), *sys.path]!r}\n"
            "env, actions = pickle.load(open('in.pkl', 'rb'))\n"
            "import check_copies\n"
            "pickle.dump(check_copies.play(env, actions), open('out.pkl', 'wb'))\n"
        )
        (pathlib.Path(folder) / "in.pkl").write_bytes(pickled)
        subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
        return pickle.loads((pathlib.Path(folder) / "out.pkl").read_bytes())


@test
def a_deep_copy_goes_on_alike_and_apart():
    for name in [*NAMES, MODEL]:
        for dtype in (np.float32, np.float64):
            env = ml3.Env(name, dtype=dtype, horizon=13)
            env.reset(seed=3)
            actions = actions_of(env, 30)
            play(env, actions[:7])
            state, task, goal = env.state, env.task, env.goal
            twin = copy.deepcopy(env)
            assert twin._pointer != env._pointer and twin.observation_space.dtype == dtype
            answers = play(twin, actions)
            assert (env.state == state).all() and (env.goal == goal).all() and env.task == task, name
            twin.close()
            same(play(env, actions), answers, name)
            env.close()


@test
def a_copy_through_the_wrappers_of_make_is_one_too():
    env = gymnasium.make("ml3/Reacher-v0", max_episode_steps=9)
    env.reset(seed=1)
    actions = actions_of(env, 20)
    play(env, actions[:4])
    for _ in range(3):
        copy.deepcopy(env)
    gc.collect()
    twin, shallow = copy.deepcopy(env), copy.copy(env.unwrapped)
    assert shallow._pointer != env.unwrapped._pointer
    shallow.step([1.0, 1.0])
    shallow.close()
    same(play(env, actions), play(twin, actions))


@test
def a_copy_of_a_vector_goes_on_alike_and_apart():
    for name in [*NAMES, MODEL]:
        for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            envs = ml3.VectorEnv(name, num_envs=3, threads=2, max_episode_steps=11, autoreset_mode=mode)
            envs.reset(seed=5)
            actions = actions_of(envs, 30)
            play(envs, actions[:11])
            twin = copy.deepcopy(envs)
            answers = play(twin, actions)
            twin.close()
            same(play(envs, actions), answers, f"{name} {mode}")


@test
def pickles_go_on_with_the_same_bits_in_another_process():
    for name in (*NAMES, MODEL):
        env, envs = ml3.Env(name, horizon=8), ml3.VectorEnv(name, num_envs=2, max_episode_steps=8)
        for e in (env, envs):
            e.reset(seed=4)
            actions = actions_of(e, 20)
            play(e, actions[:5])
            answers = in_another_process(pickle.dumps((e, actions)), actions)
            same(play(e, actions), answers, name)


@test
def a_pickle_that_does_not_fit_says_so():
    env = ml3.Env("reacher")
    env.reset(seed=1)
    state = env.__getstate__()
    state["full"] = state["full"][:-1]
    refuses(ml3.library.Error, "not what they were", ml3.Env.__new__(ml3.Env).__setstate__, state)


@test
def what_is_closed_says_so():
    env, envs = ml3.Env("pointmass"), ml3.VectorEnv("pointmass", num_envs=2)
    for e in (env, envs):
        e.reset(seed=1)
        e.close()
        e.close()
        refuses(ClosedEnvironmentError, "after close()", e.step, e.action_space.sample())
        refuses(ClosedEnvironmentError, "after close()", e.reset, seed=1)
        twin = copy.deepcopy(e)
        refuses(ClosedEnvironmentError, "after close()", twin.step, e.action_space.sample())
    refuses(ClosedEnvironmentError, "state", lambda: env.state)
    refuses(ClosedEnvironmentError, "goal", lambda: env.goal)
    refuses(ClosedEnvironmentError, "state", setattr, env, "state", np.zeros(4))
    made = gymnasium.make("ml3/Pointmass-v0")
    made.reset(seed=1)
    made.close()
    refuses(ClosedEnvironmentError, "after close()", made.step, made.action_space.sample())


def step_in_child(envs, queue):
    new = ml3.VectorEnv("reacher", num_envs=64, threads=2)
    queue.put([e.reset(seed=2)[0] for e in (envs, new)])
    queue.put([e.step(np.zeros((64, 2)))[0] for e in (envs, new)])


@test
def a_forked_child_steps_vectors():
    envs = ml3.VectorEnv("reacher", num_envs=64, threads=2)
    envs.reset(seed=0)
    envs.step(np.zeros((64, 2)))  # OpenMP's threads are there now, and are not in the child
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=step_in_child, args=(envs, queue), daemon=True)
    child.start()
    try:
        answers = [queue.get(timeout=60) for _ in range(2)]
    finally:
        child.kill()
        child.join()
    same(answers[0], [envs.reset(seed=2)[0]] * 2)
    same(answers[1], [envs.step(np.zeros((64, 2)))[0]] * 2)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    run()
