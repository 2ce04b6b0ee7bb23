"""Environments stepped together in C, over threads, as gymnasium.vector.VectorEnv."""

from __future__ import annotations

from ctypes import byref
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ml3.library import Infos, call, expect_full, find, lib, read_options, real, seed_of, stream_seed

_MODES = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED)  # ml3_autoreset
_NO_LIMIT = 2**31 - 1


class VectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """num_envs environments of that name.

    sample_tasks: a new task from the ranges each episode, else the default one.
    threads: 0 takes all cores, or OMP_NUM_THREADS; the numbers do not depend on it.
    max_episode_steps: steps until truncation; None takes the environment's own, -1 truncates nothing.
    autoreset_mode: Gymnasium's; SAME_STEP resets what has ended within the same step.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        name: Any,
        num_envs: int = 1,
        sample_tasks: bool = True,
        threads: int = 0,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> None:
        self._batch: int | None = None
        self._spec = find(name)
        self.description = self._spec.description
        if render_mode is not None:
            raise ValueError("a vector draws no pictures; make a single environment with render_mode='rgb_array'")
        if max_episode_steps is not None and (max_episode_steps != int(max_episode_steps) or max_episode_steps < -1 or max_episode_steps == 0):
            raise ValueError(f"max_episode_steps is {max_episode_steps}; expected a whole number from 1, or -1 for no limit")
        self.num_envs, self.sample_tasks, self._threads = int(num_envs), bool(sample_tasks), int(threads)
        self.horizon = self.description["horizon"] if max_episode_steps is None else int(max_episode_steps)
        self.metadata = {**self.metadata, "autoreset_mode": AutoresetMode(autoreset_mode)}
        self.single_observation_space = self._spec.box("obs", real)
        self.single_action_space = self._spec.actions()
        self._open()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._seeded = False
        self._ended: NDArray[np.bool_] | None = None

    def _open(self) -> None:
        """A batch in C, and arrays that it writes."""
        arguments = (self._spec.pointer, self.num_envs, self._threads, 0, self.sample_tasks)
        self._batch = call(lib.ml3_env_batch_new, *arguments)
        lib.ml3_env_batch_set_autoreset(self._batch, _MODES.index(self.metadata["autoreset_mode"]))
        lib.ml3_env_batch_set_horizon(self._batch, min(self.horizon, _NO_LIMIT) if self.horizon > 0 else _NO_LIMIT)
        self._obs = np.zeros((self.num_envs, self._spec.dim("obs")), real)
        self._now, self._final = self._new_infos(), self._new_infos()
        lib.ml3_env_batch_watch(self._batch, byref(_pointers(self._now)), byref(_pointers(self._final)))

    def _new_infos(self) -> dict[str, NDArray[Any]]:
        n, dim = self.num_envs, self._spec.dim
        return {
            "reward": np.zeros(n),
            "state": np.zeros((n, dim("state"))),
            "task": np.zeros((n, dim("task"))),
            "distance": np.zeros(n),
            "success": np.zeros(n, np.bool_),
        }

    def _open_batch(self, what: str) -> int:
        """The batch in C, for a call of that name."""
        if not self._batch:
            raise ClosedEnvironmentError(f"{what} of a vector of '{self._spec.name}' after close(); make it anew")
        return self._batch

    # ---- Gymnasium ----------------------------------------------------------------------------------------------------

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """seed: row i of a number has a stream of its own of it; of a list, the episodes of the single environment with
        seed[i] (None: as if it were not given).
        options: {"task": of all rows alike, or with an axis of num_envs before; all parameters, or a dictionary of some,
        "reset_mask": which rows, an array of num_envs truth values}."""
        batch = self._open_batch("reset")
        task, mask = read_options(options, ("task", "reset_mask"))
        tasks = None if task is None else self._read_tasks(task)
        mask = None if mask is None else self._read_mask(mask)
        if mask is not None and self._ended is None and not mask.all():
            raise ResetNeeded("options['reset_mask'] leaves rows out in the first reset, which is to be of all")
        self._seed_rows(batch, seed, mask)
        pointers = [None if array is None else array.ctypes.data for array in (mask, tasks, self._obs)]
        lib.ml3_env_batch_reset_rows(batch, *pointers)
        rows = np.ones(self.num_envs, np.bool_) if mask is None else mask.copy()
        self._ended = np.zeros(self.num_envs, np.bool_) if self._ended is None else self._ended & ~rows
        return self._obs.copy(), self._infos(self._now, rows)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        batch = self._open_batch("step")
        actions = np.ascontiguousarray(actions, dtype=real)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"the actions have shape {actions.shape}; expected {self.action_space.shape}")
        mode = self.metadata["autoreset_mode"]
        self._check_step(actions, mode)

        last, rewards = np.empty_like(self._obs), np.empty(self.num_envs, real)
        terminated, truncated = np.empty(self.num_envs, np.bool_), np.empty(self.num_envs, np.bool_)
        arrays = (actions, self._obs, rewards, terminated, truncated, last)
        try:
            call(lib.ml3_env_batch_step, batch, *(array.ctypes.data for array in arrays))
        finally:
            self._ended = terminated | truncated  # a row that failed has not kept the others from stepping
        infos = self._infos(self._now, np.ones(self.num_envs, np.bool_))
        if mode is AutoresetMode.SAME_STEP and self._ended.any():
            infos.update(self._final_infos(self._ended, last))
        return self._obs.copy(), self._now["reward"].copy(), terminated, truncated, infos

    def close_extras(self, **kwargs: Any) -> None:
        if self._batch:
            lib.ml3_env_batch_free(self._batch)
        self._batch = None

    def __del__(self) -> None:
        if getattr(self, "_batch", None) and lib is not None:
            self.close_extras()

    # ---- copies and pickles: another batch in C in the same full state ------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        batch = state.pop("_batch")
        state["full"] = None
        if batch:
            state["full"] = np.zeros((self.num_envs, lib.ml3_env_batch_full_dim(batch)))
            lib.ml3_env_batch_get_full(batch, state["full"].ctypes.data)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        full, obs = state.pop("full"), state.pop("_obs")
        self.__dict__.update(state)
        self.description, self._batch = self._spec.description, None
        if full is None:
            self._obs = obs
            return
        self._open()
        expect_full(self._spec, full, (self.num_envs, lib.ml3_env_batch_full_dim(self._batch)))
        lib.ml3_env_batch_set_full(self._batch, full.ctypes.data)
        self._obs[:] = obs

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _seed_rows(self, batch: int, seed: Any, mask: NDArray[np.bool_] | None) -> None:
        if isinstance(seed, (list, tuple, np.ndarray)):
            if len(seed) != self.num_envs:
                raise ValueError(f"seed has {len(seed)} entries; expected one for each of {self.num_envs} environments")
            rows: list[tuple[int | None, int]] = [(None if s is None else stream_seed(seed_of(s)), 0) for s in seed]
        else:
            if seed is None and not self._seeded:
                first: int | None = int(self.np_random.integers(2**63))
            else:
                seed = None if seed is None else seed_of(seed)
                super().reset(seed=seed)
                first = None if seed is None else stream_seed(seed)
            rows = [(first, i) for i in range(self.num_envs)]
        for i, (first, stream) in enumerate(rows):
            if first is not None and (mask is None or mask[i]):
                lib.ml3_env_batch_seed_row(batch, i, first, stream)
        self._seeded = True

    def _read_tasks(self, task: Any) -> NDArray[np.float64]:
        """[num_envs][parameters], NaN where nothing is given."""
        tasks = np.full((self.num_envs, self._spec.dim("task")), np.nan)
        for index, value in self._spec.task_values(task):
            if np.shape(value) not in ((), (self.num_envs,)):
                raise ValueError(f"options['task'] has {np.shape(value)} values of a parameter; expected 1 or {self.num_envs}")
            tasks[:, index] = value
        return tasks

    def _read_mask(self, mask: Any) -> NDArray[np.bool_]:
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(f"options['reset_mask'] is {mask!r}; expected an array of {self.num_envs} truth values, one at least true")
        return np.ascontiguousarray(mask)

    def _check_step(self, actions: NDArray[Any], mode: AutoresetMode) -> None:
        if self._ended is None:
            raise ResetNeeded(f"step of a vector of '{self._spec.name}' before the first reset()")
        ended = np.flatnonzero(self._ended)
        if mode is AutoresetMode.DISABLED and ended.size:
            raise ResetNeeded(
                f"environment {ended[0]} has ended, and autoreset is disabled; reset(options={{'reset_mask': ...}}) first"
            )
        choices = self.description["choices"]
        usable = np.isin(actions, np.arange(choices)) if choices else np.isfinite(actions).all(axis=1)
        bad = ~usable
        if mode is AutoresetMode.NEXT_STEP:
            bad &= ~self._ended  # those actions are ignored
        if bad.any():
            row = int(np.argmax(bad))
            expected = f"a whole number from 0 to {choices - 1}" if choices else "finite numbers"
            raise ValueError(f"the action of environment {row} is {actions[row]}; expected {expected}")

    def _infos(self, infos: dict[str, NDArray[Any]], rows: NDArray[np.bool_]) -> dict[str, Any]:
        """As Gymnasium has them: an array a key, with a mask of the rows that have it; the others are 0."""
        every = rows.all()
        found = {}
        for name in ("state", "task", "distance", "success"):
            found[name] = infos[name].copy()
            if not every:
                found[name][~rows] = 0
            found[f"_{name}"] = rows.copy()
        return found

    def _final_infos(self, ended: NDArray[np.bool_], last: NDArray[Any]) -> dict[str, Any]:
        """What ended, as Gymnasium's SAME_STEP has it."""
        final = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final[i] = last[i].copy()
        return {
            "final_obs": final,
            "_final_obs": ended.copy(),
            "final_info": self._infos(self._final, ended),
            "_final_info": ended.copy(),
        }


def _pointers(infos: dict[str, NDArray[Any]]) -> Infos:
    return Infos(*(infos[field[0]].ctypes.data for field in Infos._fields_))
