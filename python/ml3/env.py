"""One environment as gymnasium.Env."""

from __future__ import annotations

from ctypes import byref
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ClosedEnvironmentError
from numpy.typing import NDArray

from ml3.library import PURPOSE_RESET, Result, call, expect_full, find, lib, read_options, seed_of, stream_seed

_ARRAYS = ("_obs", "_state", "_goal", "_action", "_task")  # what the library reads and writes


class Env(gymnasium.Env[Any, Any]):
    """An environment of ml3 by its name ("reacher") or a file with a model of one's own.

    horizon: steps until truncation; None takes the environment's own. gymnasium.make has a limit beside it, which is
    the environment's own too, or its max_episode_steps.
    sample_tasks: a new task from the ranges at each reset, else the default one.
    dtype: of observations; the physics is in double precision always.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    _obs: NDArray[np.float64]
    _state: NDArray[np.float64]
    _goal: NDArray[np.float64]
    _action: NDArray[np.float64]
    _task: NDArray[np.float64]

    def __init__(
        self,
        name: Any,
        render_mode: str | None = None,
        horizon: int | None = None,
        sample_tasks: bool = True,
        dtype: Any = np.float32,
        width: int = 480,
        height: int = 480,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}; 'rgb_array' and None are possible")
        self._spec = find(name)
        self.description = self._spec.description
        self.metadata = {**self.metadata, "render_fps": max(1, round(1 / self.description["dt_s"]))}
        self.render_mode = render_mode
        self._horizon = None if horizon is None else int(horizon)
        self.sample_tasks = sample_tasks
        self.observation_space = self._spec.box("obs", dtype)
        self.action_space = self._spec.actions()
        self._size = (int(width), int(height))

        self._seed: int | None = None
        self._episode, self._steps, self._told = 0, 0, False
        self._open()

    def _open(self) -> None:
        """An instance in C, and arrays that it reads and writes."""
        self._pointer: int | None = None
        self._frame: int | None = None
        for name in _ARRAYS:
            setattr(self, name, np.zeros(self._spec.dim(name[1:])))
        self._pointer = call(lib.ml3_env_new, self._spec.pointer)
        lib.ml3_env_default_task(self._spec.pointer, self._task.ctypes.data)

    # ---- Gymnasium ----------------------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """options: {"task": numbers for all parameters, or a dictionary of some by name}."""
        pointer = self._open_pointer("reset")
        (task_option,) = read_options(options, ("task",))
        given = [] if task_option is None else self._spec.task_values(task_option)
        if any(np.ndim(value) for _, value in given):
            raise ValueError("options['task'] has several values for a parameter; a single environment takes one")
        seed = None if seed is None else seed_of(seed)
        super().reset(seed=seed)
        self._tell_horizon()
        if seed is not None:
            self._seed, self._episode = stream_seed(seed), 0
        elif self._seed is None:
            self._seed = int(self.np_random.integers(2**63))

        random = lib.ml3_random_stream(self._seed, PURPOSE_RESET, 0, self._episode)
        task = self._task.ctypes.data
        if self.sample_tasks:
            lib.ml3_env_sample_task(self._spec.pointer, byref(random), task)
        else:
            lib.ml3_env_default_task(self._spec.pointer, task)
        for index, value in given:
            self._task[index] = value
        lib.ml3_env_reset(pointer, task, byref(random))
        self._episode += 1
        self._steps = 0
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        pointer = self._open_pointer("step")
        action = np.asarray(action, dtype=np.float64)
        if action.shape != self.action_space.shape:
            raise ValueError(f"the action has shape {action.shape}; expected {self.action_space.shape}")
        self._action[:] = action
        result = Result()
        call(lib.ml3_env_step_checked, pointer, self._action.ctypes.data, byref(result))
        self._steps += 1
        return self._observe(), result.reward, result.terminated, self._steps >= self._limit(), self._info()

    def render(self) -> Any:
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode; make the environment with render_mode='rgb_array'")
            return None
        width, height = self._size
        if self._frame is None:
            self._frame = call(lib.ml3_frame_new, self._spec.pointer, width, height)
        picture = np.empty((height, width, 3), np.uint8)
        state = self.state
        call(lib.ml3_frame_draw, self._frame, self._task.ctypes.data, state.ctypes.data, picture.ctypes.data)
        return picture

    def close(self) -> None:
        if getattr(self, "_frame", None):
            lib.ml3_frame_free(self._frame)
        if self._pointer:
            lib.ml3_env_free(self._pointer)
        self._frame = self._pointer = None

    def __del__(self) -> None:
        if getattr(self, "_pointer", None) and lib is not None:
            self.close()

    # ---- more than Gymnasium ----------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        """Steps until truncation, where gymnasium.make has no limit of its own."""
        return self.description["horizon"] if self._horizon is None else self._horizon

    @property
    def state(self) -> NDArray[np.float64]:
        """The full state; setting it keeps the task and the count of steps."""
        lib.ml3_env_get_state(self._open_pointer("state"), self._state.ctypes.data)
        return self._state.copy()

    @state.setter
    def state(self, state: Any) -> None:
        state = np.ascontiguousarray(state, dtype=np.float64)
        if state.shape != self._state.shape or not np.isfinite(state).all():
            raise ValueError(f"the state is {state}; expected {self._state.size} finite numbers")
        lib.ml3_env_set_state(self._open_pointer("state"), state.ctypes.data)

    @property
    def goal(self) -> NDArray[np.float64]:
        lib.ml3_env_goal(self._open_pointer("goal"), self._goal.ctypes.data)
        return self._goal.copy()

    @property
    def task(self) -> dict[str, float]:
        """The present task: its parameters by name."""
        return {p["name"]: float(v) for p, v in zip(self.description["task"], self._task)}

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _observe(self) -> NDArray[Any]:
        lib.ml3_env_observe(self._pointer, self._obs.ctypes.data)
        return self._obs.astype(self.observation_space.dtype)

    def _info(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "task": self._task.copy(),
            "distance": lib.ml3_env_distance(self._pointer),
            "success": lib.ml3_env_success(self._pointer),
        }

    def _open_pointer(self, what: str) -> int:
        """The instance in C, for a call of that name."""
        if not self._pointer:
            raise ClosedEnvironmentError(f"{what} of '{self._spec.name}' after close(); make the environment anew")
        return self._pointer

    def _limit(self) -> float:
        """gymnasium.make, which leaves its mark in `spec`, truncates by a wrapper: by max_episode_steps where it is given."""
        return float("inf") if self._horizon is None and self.spec is not None else self.horizon

    def _tell_horizon(self) -> None:
        own = self.description["horizon"]
        if self.spec is not None and self.horizon > own and not self._told:
            gymnasium.logger.warn(
                f"horizon={self.horizon} makes no episode of gymnasium.make longer, whose limit is {own} steps unless"
                f" max_episode_steps={self.horizon} is given too"
            )
        self._told = True

    # ---- copies and pickles: another instance in C in the same full state ---------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in ("_pointer", "_frame", *_ARRAYS)}
        state["full"] = None
        if self._pointer:
            state["full"] = np.zeros(lib.ml3_env_full_dim(self._pointer))
            lib.ml3_env_get_full(self._pointer, state["full"].ctypes.data)
        return {**state, "task": self._task.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        full, task = state.pop("full"), state.pop("task")
        self.__dict__.update(state)
        self.description = self._spec.description
        self._open()
        self._task[:] = task
        if full is None:
            self.close()
            return
        expect_full(self._spec, full, (lib.ml3_env_full_dim(self._pointer),))
        lib.ml3_env_set_full(self._pointer, full.ctypes.data)
