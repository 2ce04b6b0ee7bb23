"""Data sets between ml3 and Minari: what `ml3 collect` writes, Minari reads and python/ plays again to the bit; what Minari
writes, `ml3 data` reads. Needs ML3_COMMAND; exit code 77 where Minari is not installed."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import minari
    import numpy as np
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

import ml3

COMMAND = os.environ["ML3_COMMAND"]


def run(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def options_of(metadata):
    """The task of an episode; where none is drawn there is none."""
    return {"task": metadata["options"]["task"]} if "options" in metadata else None


def minari_reads(folder):
    """All environments; every episode steps again from its first state to the same numbers."""
    for name, spec in ml3.environments().items():
        path = folder / f"{name}-random-v0"
        run("collect", name, "--episodes", 4, "--seed", 5, "--output", path, "--quiet")
        data = minari.MinariDataset(path / "data")
        assert data.id == f"{name}-random-v0" and len(data) == 4
        env = data.recover_environment().unwrapped
        assert isinstance(env, ml3.Env) and env.description["name"] == name
        assert data.observation_space == env.observation_space
        assert data.total_steps == sum(len(e) for e in data)

        for k, episode in enumerate(data):
            metadata = next(iter(data.storage.get_episode_metadata([k])))
            obs, _ = env.reset(seed=5 if k == 0 else None, options=options_of(metadata))
            assert obs.dtype == np.float64 and (obs == episode.observations[0]).all(), (name, k)
            assert metadata["total_steps"] == len(episode) <= spec["horizon"] and metadata["id"] == k
            assert episode.observations.shape == (len(episode) + 1, env.observation_space.shape[0])
            assert episode.infos["state"].shape == (len(episode) + 1, len(spec["state"]))
            assert episode.terminations.dtype == bool and not episode.terminations[:-1].any()
            assert episode.terminations[-1] != episode.truncations[-1]
            for t, action in enumerate(episode.actions):
                obs, reward, terminated, _, info = env.step(action)
                assert (obs == episode.observations[t + 1]).all() and reward == episode.rewards[t], (name, k, t)
                assert (info["state"] == episode.infos["state"][t + 1]).all()
            assert terminated == episode.terminations[-1]
    print("ok minari_reads")


def minari_appends(folder):
    """The arrays can grow, and the set too."""
    path = folder / "reacher-random-v0"
    data = minari.MinariDataset(path / "data")
    buffer = EpisodeBuffer(
        observations=np.zeros((3, 10)), actions=np.zeros((2, 2)), rewards=[-1.0, -2.0],
        terminations=[False, False], truncations=[False, True], infos={},
    )
    data.update_dataset_from_buffer([buffer])
    text = run("data", path, "--quiet")
    assert "5" in text.split("episodes")[1].split("\n")[0] and "unknown in 1 episodes" in text, text
    print("ok minari_appends")


def ml3_reads(folder):
    """A set of Minari's own making, with python/'s environment, in single precision."""
    env = ml3.Env("pointmass")
    data = folder / "minari-v0" / "data"
    data.mkdir(parents=True)
    storage = MinariStorage.new(data, env.observation_space, env.action_space, env_spec=None)
    returns = []
    for k in range(3):
        obs, info = env.reset(seed=k)
        rows = {"observations": [obs], "actions": [], "rewards": [], "terminations": [], "truncations": []}
        infos = {key: [value] for key, value in info.items()}
        env.action_space.seed(k)
        done = False
        while not done:
            action = env.action_space.sample()
            obs, reward, terminated, truncated, info = env.step(action)
            for key, value in zip(rows, (obs, action, reward, terminated, truncated)):
                rows[key].append(value)
            for key, value in info.items():
                infos[key].append(value)
            done = terminated or truncated
        returns.append(sum(rows["rewards"]))
        storage.update_episodes([EpisodeBuffer(seed=k, infos={key: np.array(v) for key, v in infos.items()}, **rows)])
    storage.update_metadata({"dataset_id": "minari-v0"})

    failed = subprocess.run([COMMAND, "data", str(data)], capture_output=True, text=True)
    assert failed.returncode == 1 and "say whose episodes" in failed.stderr, failed.stderr
    text = run("data", data, "--environment", "pointmass", "--quiet")
    assert f"return         {np.mean(returns):.6g} on average" in text and "150, 50 to 50" in text, text
    print("ok ml3_reads")


def h5py_reads(folder):
    """No more than the documented layout."""
    data = folder / "reacher-random-v0" / "data"
    with h5py.File(data / "main_data.hdf5") as file:
        assert {"observations", "actions", "rewards", "terminations", "truncations", "infos"} == set(file["episode_0"])
        assert file["episode_0/rewards"].fletcher32
    metadata = json.loads((data / "metadata.json").read_text())
    assert metadata["data_format"] == "hdf5" and metadata["algorithm_name"] == "random"
    print("ok h5py_reads")


with tempfile.TemporaryDirectory() as name:
    root = pathlib.Path(name)
    minari_reads(root)
    h5py_reads(root)
    minari_appends(root)
    ml3_reads(root)
