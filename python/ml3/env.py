"""One environment as gymnasium.Env."""

from ctypes import byref

import gymnasium
import numpy as np

from ml3.library import PURPOSE_RESET, Result, call, find, lib


class Env(gymnasium.Env):
    """An environment of ml3 by its name ("reacher") or a file with a model of one's own.

    horizon: steps until truncation; None takes the environment's own.
    sample_tasks: a new task from the ranges at each reset, else the default one.
    dtype: of observations; the physics is in double precision always.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(self, name, render_mode=None, horizon=None, sample_tasks=True, dtype=np.float32, width=480, height=480):
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}; 'rgb_array' and None are possible")
        self._pointer = self._frame = None
        self._spec = find(name)
        self.description = self._spec.description
        self.metadata = {**self.metadata, "render_fps": max(1, round(1 / self.description["dt_s"]))}
        self.render_mode = render_mode
        self.horizon = self.description["horizon"] if horizon is None else int(horizon)
        self.sample_tasks = sample_tasks
        self.observation_space = self._spec.box("obs", dtype)
        self.action_space = self._spec.box("action", np.float32)
        self._size = (int(width), int(height))

        self._obs = np.zeros(self._spec.dim("obs"))
        self._state = np.zeros(self._spec.dim("state"))
        self._goal = np.zeros(self._spec.dim("goal"))
        self._action = np.zeros(self._spec.dim("action"))
        self._task = np.zeros(self._spec.dim("task"))
        self._seed, self._episode, self._steps = None, 0, 0
        self._pointer = call(lib.ml3_env_new, self._spec.pointer)

    # ---- Gymnasium ----------------------------------------------------------------------------------------------------

    def reset(self, *, seed=None, options=None):
        """options: {"task": numbers for all parameters, or a dictionary of some by name}."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode = seed & (2**64 - 1), 0
        elif self._seed is None:
            self._seed = int(self.np_random.integers(2**63))

        random = lib.ml3_random_stream(self._seed, PURPOSE_RESET, 0, self._episode)
        task = self._task.ctypes.data
        if self.sample_tasks:
            lib.ml3_env_sample_task(self._spec.pointer, byref(random), task)
        else:
            lib.ml3_env_default_task(self._spec.pointer, task)
        if options and options.get("task") is not None:
            self._put_task(options["task"])
        lib.ml3_env_reset(self._pointer, task, byref(random))
        self._episode += 1
        self._steps = 0
        return self._observe(), self._info()

    def step(self, action):
        action = np.asarray(action, dtype=np.float64)
        if action.shape != self._action.shape:
            raise ValueError(f"the action has shape {action.shape}; expected {self._action.shape}")
        self._action[:] = action
        result = Result()
        call(lib.ml3_env_step_checked, self._pointer, self._action.ctypes.data, byref(result))
        self._steps += 1
        return self._observe(), result.reward, result.terminated, self._steps >= self.horizon, self._info()

    def render(self):
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

    def close(self):
        if self._frame:
            lib.ml3_frame_free(self._frame)
        if self._pointer:
            lib.ml3_env_free(self._pointer)
        self._frame = self._pointer = None

    def __del__(self):
        if getattr(self, "_pointer", None) and lib is not None:
            self.close()

    # ---- more than Gymnasium ----------------------------------------------------------------------------------------

    @property
    def state(self):
        """The full state; setting it keeps the task and the count of steps."""
        lib.ml3_env_get_state(self._pointer, self._state.ctypes.data)
        return self._state.copy()

    @state.setter
    def state(self, state):
        state = np.ascontiguousarray(state, dtype=np.float64)
        if state.shape != self._state.shape or not np.isfinite(state).all():
            raise ValueError(f"the state is {state}; expected {self._state.size} finite numbers")
        lib.ml3_env_set_state(self._pointer, state.ctypes.data)

    @property
    def goal(self):
        lib.ml3_env_goal(self._pointer, self._goal.ctypes.data)
        return self._goal.copy()

    @property
    def task(self):
        """The present task: its parameters by name."""
        return {p["name"]: float(v) for p, v in zip(self.description["task"], self._task)}

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _observe(self):
        lib.ml3_env_observe(self._pointer, self._obs.ctypes.data)
        return self._obs.astype(self.observation_space.dtype)

    def _info(self):
        return {
            "state": self.state,
            "task": self._task.copy(),
            "distance": lib.ml3_env_distance(self._pointer),
            "success": lib.ml3_env_success(self._pointer),
        }

    def _put_task(self, task):
        names = [p["name"] for p in self.description["task"]]
        if not isinstance(task, dict):
            values = np.asarray(task, dtype=np.float64)
            if values.shape != self._task.shape:
                raise ValueError(f"options['task'] has shape {values.shape}; expected {len(names)} numbers: {', '.join(names)}")
            task = dict(zip(names, values))
        for name, value in task.items():
            if name not in names:
                raise ValueError(f"options['task'] names {name!r}; there are {', '.join(names)}")
            if not np.isfinite(value):
                raise ValueError(f"options['task'][{name!r}] is {value}; expected a finite number")
            self._task[names.index(name)] = value
