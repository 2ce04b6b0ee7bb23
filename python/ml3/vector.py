"""Environments stepped together in C, over threads, as gymnasium.vector.VectorEnv."""

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from ml3.library import call, find, lib, real


class VectorEnv(gymnasium.vector.VectorEnv):
    """num_envs environments of that name. What has ended is reset within the same step.

    sample_tasks: a new task from the ranges each episode, else the default one.
    threads: 0 takes all cores; the numbers do not depend on it.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, name, num_envs=1, sample_tasks=True, threads=0, render_mode=None, max_episode_steps=None):
        self._batch = None
        self._spec = find(name)
        self.description = self._spec.description
        horizon = self.description["horizon"]
        if max_episode_steps not in (None, horizon):
            raise ValueError(f"max_episode_steps is {max_episode_steps}; a vector of '{name}' has {horizon}")
        if render_mode is not None:
            raise ValueError("a vector draws no pictures; make a single environment with render_mode='rgb_array'")
        self.num_envs, self.sample_tasks, self._threads = int(num_envs), sample_tasks, int(threads)
        self.metadata = dict(self.metadata)
        self.single_observation_space = self._spec.box("obs", real)
        self.single_action_space = self._spec.box("action", np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._open(0)

    def _open(self, seed):
        """A new batch; the old one goes last, so that what they share stays in memory."""
        arguments = (self._spec.pointer, self.num_envs, self._threads, seed & (2**64 - 1), self.sample_tasks)
        batch = call(lib.ml3_env_batch_new, *arguments)
        self.close_extras()
        self._batch = batch

    def reset(self, *, seed=None, options=None):
        """options are not used: tasks come from the ranges."""
        first = self._np_random_seed is None
        super().reset(seed=seed)
        if seed is not None:
            self._open(seed)
        elif first:
            self._open(int(self.np_random.integers(2**63)))
        obs = np.empty(self.observation_space.shape, real)
        lib.ml3_env_batch_reset(self._batch, obs.ctypes.data)
        return obs, {}

    def step(self, actions):
        actions = np.ascontiguousarray(actions, dtype=real)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"the actions have shape {actions.shape}; expected {self.action_space.shape}")
        if not np.isfinite(actions).all():
            row = int(np.argmin(np.isfinite(actions).all(axis=1)))
            raise ValueError(f"the action of environment {row} is {actions[row]}; expected finite numbers")

        obs, last = np.empty(self.observation_space.shape, real), np.empty(self.observation_space.shape, real)
        rewards = np.empty(self.num_envs, real)
        terminated, truncated = np.empty(self.num_envs, np.bool_), np.empty(self.num_envs, np.bool_)
        call(
            lib.ml3_env_batch_step,
            self._batch,
            *(array.ctypes.data for array in (actions, obs, rewards, terminated, truncated, last)),
        )
        return obs, rewards.astype(np.float64), terminated, truncated, self._infos(terminated | truncated, last)

    def _infos(self, ended, last):
        """The last observations of what ended, as Gymnasium's SAME_STEP has them."""
        if not ended.any():
            return {}
        final = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final[i] = last[i].copy()
        return {"final_obs": final, "_final_obs": ended, "final_info": {}, "_final_info": ended.copy()}

    def close_extras(self, **kwargs):
        if self._batch:
            lib.ml3_env_batch_free(self._batch)
        self._batch = None

    def __del__(self):
        if getattr(self, "_batch", None) and lib is not None:
            self.close_extras()
