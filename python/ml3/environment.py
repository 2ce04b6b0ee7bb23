"""Environments of one's own, in this process: ml3 steps them by callbacks, a record a step (envs/foreign.h)."""

from __future__ import annotations

import ctypes
import os
import struct
import traceback
from collections.abc import Callable, Sequence
from ctypes import c_char, c_double
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ml3 import session
from ml3.library import Error, call, lib
from ml3.structures import FOREIGN_CREATE, FOREIGN_DESTROY, FOREIGN_RESET, FOREIGN_STEP, EnvField, ForeignDescription, ForeignRecord

if TYPE_CHECKING:
    from ml3.environment_check import Check

_SPLITS = ("train", "validation", "test", "ood")
_NUMBERS = struct.Struct("=ddiii")  # reward, distance, terminated, truncated, success


def _view(address: int, size: int) -> NDArray[np.float64]:
    """Doubles of the library as an array, without a copy."""
    return np.ctypeslib.as_array((c_double * size).from_address(address))


class _Instance:
    """One environment, and the arrays of its record."""

    def __init__(self, env: gymnasium.Env[Any, Any], record: int, obs_dim: int, goal_dim: int) -> None:
        self.env, self.step = env, env.step
        pointers = ForeignRecord.from_address(record)
        self.obs = _view(pointers.obs, obs_dim)
        self.goal = _view(pointers.goal, goal_dim) if goal_dim else np.empty(0)
        self.numbers = memoryview((c_char * _NUMBERS.size).from_address(record + ForeignRecord.reward.offset)).cast("B")
        self.action_at, self.action = 0, np.empty(0)


class Environment:
    """An environment of Gymnasium, made by `make`, for ml3.train, compare, evaluate and Learner.

    make: a function that makes one, or the id of one.
    train_tasks, validation_tasks, test_tasks, ood_tasks: lists of tasks, objects of any kind. A list that is not given is that of
        training; without any, an episode differs from another by its seed alone.
    reset: reset(env, task, seed) begins an episode of a task and returns the observation (with its info, or alone); returns it None, the
        environment's own reset(seed=seed) follows. Not given: env.reset(seed=seed, options={"task": task}).
    success: success(env, obs, info); not given: info["success"] or info["is_success"].
    distance: distance(env, obs, info) to the goal; not given: info["distance"], or 0.
    privileged: privileged(env), numbers that neither policy nor loss may see, such as where the goal is.
    expert: expert(env, obs), an action: `check` says how good it is.
    state: (get, set): get(env) is an array with all that the future depends on; set(env, array) goes back there and returns the
        observation. Without it the environment cannot be set back, and what needs that says so.
    horizon: steps until truncation; None: the environment's own max_episode_steps.
    name: what it is called in runs; None: its id. A later environment of the same name takes its place.
    """

    _registered: dict[str, Environment] = {}

    def __init__(
        self,
        make: Callable[[], gymnasium.Env[Any, Any]] | str,
        *,
        train_tasks: Sequence[Any] | None = None,
        validation_tasks: Sequence[Any] | None = None,
        test_tasks: Sequence[Any] | None = None,
        ood_tasks: Sequence[Any] | None = None,
        reset: Callable[[Any, Any, int], Any] | None = None,
        success: Callable[[Any, Any, dict[str, Any]], Any] | None = None,
        distance: Callable[[Any, Any, dict[str, Any]], float] | None = None,
        privileged: Callable[[Any], Any] | None = None,
        expert: Callable[[Any, Any], Any] | None = None,
        state: tuple[Callable[[Any], Any], Callable[[Any, Any], Any]] | None = None,
        horizon: int | None = None,
        dt: float = 0.0,
        name: str | None = None,
    ) -> None:
        self._make: Callable[[], gymnasium.Env[Any, Any]] = make if callable(make) else partial(gymnasium.make, make, disable_env_checker=True)
        self._reset_of, self._success, self._distance, self._privileged = reset, success, distance, privileged
        self.expert, self._state, self._dt = expert, state, dt
        self._pointer: int | None = None
        self._instances: dict[int, _Instance] = {}
        lists = (train_tasks, validation_tasks, test_tasks, ood_tasks)
        for split, tasks in zip(_SPLITS, lists):
            if tasks is not None and len(tasks) == 0:
                raise ValueError(f"{split}_tasks is an empty list; leave it out, or give at least one task")
            if tasks is not None and train_tasks is None:
                raise ValueError(f"{split}_tasks is given, and train_tasks is not; training needs tasks too")
        self._lists = [None if tasks is None else list(tasks) for tasks in lists]
        self.tasks = [task for tasks in self._lists if tasks is not None for task in tasks]

        first = self._try_make()
        self._spare: list[gymnasium.Env[Any, Any]] = [first]
        self.observation_space, self.action_space = first.observation_space, first.action_space
        self.horizon = horizon or getattr(first.spec, "max_episode_steps", None) or self._refuse_horizon()
        self.name = name or self._name_of(first)
        self._read_spaces()
        self._no_goal = success is None and distance is None and not self._tells_success(first)
        self._goal_dim = 0 if privileged is None else self._measure(privileged, first, "privileged")
        self._state_dim = 0 if state is None else self._measure(state[0], first, "state")
        self._fill = self._make_fill()
        self._register()

    def __repr__(self) -> str:
        tasks = f", {len(self.tasks)} tasks" if self.tasks else ""
        return f"ml3.Environment({self.name!r}, {self._obs_dim} observations, {self.action_space}, {self.horizon} steps{tasks})"

    # ---- what it is -----------------------------------------------------------------------------------------------------

    def _try_make(self) -> gymnasium.Env[Any, Any]:
        try:
            env = self._make()
        except Exception as e:
            raise Error(f"make() has failed: {_last_line(e)}") from e
        if not hasattr(env, "step") or not hasattr(env, "observation_space"):
            raise ValueError(f"make() has returned {type(env).__name__}; expected an environment of Gymnasium")
        return env

    def _name_of(self, env: gymnasium.Env[Any, Any]) -> str:
        name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        return name.replace("/", "-").replace(":", "-")

    def _refuse_horizon(self) -> int:
        raise ValueError("horizon is not given, and the environment has no max_episode_steps; after how many steps does an episode end?")

    def _read_spaces(self) -> None:
        obs, action = self.observation_space, self.action_space
        try:
            flat = spaces.utils.flatten_space(obs)
        except NotImplementedError:
            flat = None
        if not isinstance(flat, spaces.Box):
            raise ValueError(f"the observation space is {obs}; expected one that gymnasium.spaces.flatten_space makes a Box of")
        self._flatten = None if isinstance(obs, spaces.Box) else obs
        self._obs_shape: tuple[int, ...] = flat.shape if self._flatten is not None else tuple(obs.shape or ())
        self._obs_dim = int(np.prod(flat.shape))
        self._choices, self._start = 0, 0
        if isinstance(action, spaces.Discrete):
            self._choices, self._start, self._action_dim = int(action.n), int(action.start), 1
        elif isinstance(action, spaces.Box):
            self._action_dim = int(np.prod(action.shape))
        else:
            raise ValueError(f"the action space is {action}; expected a Box or Discrete")

    def _tells_success(self, env: gymnasium.Env[Any, Any]) -> bool:
        """Whether an info of it has what a goal would be known by."""
        try:
            info = self.begin(env, 0)[1]
            if not info:
                self.action_space.seed(0)
                info = env.step(self.action_space.sample())[4]
        except Exception as e:
            raise Error(f"environment '{self.name}' has failed in its first step: {_last_line(e)}") from e
        return any(name in info for name in ("success", "is_success", "distance"))

    def _measure(self, function: Callable[[Any], Any], env: gymnasium.Env[Any, Any], what: str) -> int:
        try:
            self.begin(env, 0)
            return int(np.size(np.asarray(function(env), np.float64)))
        except Exception as e:
            raise Error(f"environment '{self.name}': {what} has failed: {_last_line(e)}") from e

    # ---- for the library --------------------------------------------------------------------------------------------------

    @property
    def registered_name(self) -> str:
        """The name by which the library finds it; takes it back from another one that has it since."""
        if self._pointer is None:
            self._register()
        return self.name

    def _fields(self, space: spaces.Space[Any], n: int) -> Any:
        flat = space if isinstance(space, spaces.Box) else None
        low, high = (flat.low.reshape(-1), flat.high.reshape(-1)) if flat is not None else (np.full(n, -np.inf), np.full(n, np.inf))
        return (EnvField * n)(*(EnvField(None, None, float(low[i]), float(high[i])) for i in range(n)))

    def _register(self) -> None:
        before = Environment._registered.get(self.name)
        if before is not None and before is not self:
            before.close()
        d = ForeignDescription(
            name=self.name.encode(),
            summary=b"an environment of Python",
            dt_s=self._dt or 0,
            horizon=self.horizon,
            obs_dim=self._obs_dim,
            action_dim=self._action_dim,
            goal_dim=self._goal_dim,
            task_dim=1 if self.tasks else 0,
            state_dim=self._state_dim,
            choices=self._choices,
            no_goal=self._no_goal,
            threads=1,
            create=FOREIGN_CREATE(self._create),
            destroy=FOREIGN_DESTROY(self._destroy),
            reset=FOREIGN_RESET(self._reset),
            step=FOREIGN_STEP(self._make_step()),
        )
        if self._state is not None:
            d.get_state, d.set_state = FOREIGN_STEP(self._get_state), FOREIGN_STEP(self._set_state)
        d.obs = self._fields(self.observation_space, self._obs_dim)
        if not self._choices:
            d.action = self._fields(self.action_space, self._action_dim)
        at = 0
        for k, tasks in enumerate(self._lists):
            if tasks is not None:
                d.tasks[k] = (c_double * len(tasks))(*range(at, at + len(tasks)))
                d.task_counts[k] = len(tasks)
                at += len(tasks)
        self._description = d  # and with it the callbacks
        pointer = call(lib.ml3_foreign_new, ctypes.byref(d))
        try:
            call(lib.ml3_foreign_register, pointer)
        except Error:
            lib.ml3_foreign_free(pointer)
            raise
        self._pointer = pointer
        Environment._registered[self.name] = self

    def close(self) -> None:
        """Forgets it: its name is free, and what it has made is closed."""
        if self._pointer is not None:
            in_use = lib.ml3_foreign_count(self._pointer).in_use
            if in_use:
                raise Error(f"environment '{self.name}' is in use by {in_use} others, such as ml3.Env or ml3.VectorEnv; close these first")
            lib.ml3_foreign_free(self._pointer)
            self._pointer = None
            Environment._registered.pop(self.name, None)
        while self._spare:
            self._spare.pop().close()

    def _fail(self, record: int, e: BaseException) -> int:
        session.cause = e
        message = _last_line(e).encode(errors="replace")[:511]
        ctypes.memmove(record + ForeignRecord.error.offset, message + b"\0", len(message) + 1)
        return 1

    def _create(self, _: Any, record: int) -> int:
        try:
            env = self._spare.pop() if self._spare else self._make()
            self._instances[record] = _Instance(env, record, self._obs_dim, self._goal_dim)
            return 0
        except BaseException as e:
            return self._fail(record, e)

    def _destroy(self, _: Any, record: int) -> None:
        instance = self._instances.pop(record, None)
        if instance is not None:
            try:
                instance.env.close()
            except Exception as e:
                session.logger.warning("closing environment '%s': %s", self.name, _last_line(e))

    def _begin(self, env: gymnasium.Env[Any, Any], task: Any, seed: int) -> tuple[Any, dict[str, Any]]:
        """Observation and info of a new episode."""
        if self._reset_of is not None:
            answer = self._reset_of(env, task, seed)
            if answer is None:
                answer = env.reset(seed=seed)
        elif self.tasks:
            answer = env.reset(seed=seed, options={"task": task})
        else:
            answer = env.reset(seed=seed)
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict):
            return answer
        return answer, {}

    def _reset(self, _: Any, record: int, task: Any, seed: int) -> int:
        try:
            i = self._instances[record]
            obs, info = self._begin(i.env, self.tasks[int(task[0])] if self.tasks else None, seed)
            self._fill(i, obs, 0.0, False, False, info)
            return 0
        except BaseException as e:
            return self._fail(record, e)

    def _make_step(self) -> Callable[[Any, int, int], int]:
        """The callback of every step: what does not change is looked up once."""
        instances, fill, fail, n = self._instances, self._fill, self._fail, self._action_dim
        space, discrete, start = self.action_space, self._choices > 0, self._start
        dtype, shape = space.dtype, space.shape
        flat = shape is not None and len(shape) == 1

        def step(_: Any, record: int, action: int) -> int:
            try:
                i = instances[record]
                if action != i.action_at:
                    i.action_at, i.action = action, _view(action, n)
                given: Any = i.action.astype(dtype) if not discrete else int(i.action[0]) + start
                fill(i, *i.step(given if flat or discrete else given.reshape(shape)))
                return 0
            except BaseException as e:
                return fail(record, e)

        return step

    def _make_fill(self) -> Callable[..., None]:
        """What puts an answer of the environment into the record of an instance."""
        flatten, shape, flat = self._flatten, self._obs_shape, len(self._obs_shape) == 1
        privileged, succeeds, away, pack = self._privileged, self._success, self._distance, _NUMBERS.pack_into

        def fill(i: _Instance, obs: Any, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]) -> None:
            row: Any = obs if flatten is None else spaces.utils.flatten(flatten, obs)
            if getattr(row, "shape", None) != shape:
                raise ValueError(f"the observation has shape {np.shape(row)} ({type(obs).__name__}); its space says {shape}")
            i.obs[:] = row if flat else row.reshape(-1)
            if privileged is not None:
                i.goal[:] = privileged(i.env)
            get = info.get
            success = succeeds(i.env, obs, info) if succeeds is not None else get("success") or get("is_success")
            distance = get("distance", 0.0) if away is None else away(i.env, obs, info)
            pack(i.numbers, 0, reward, distance, bool(terminated), bool(truncated), bool(success))

        return fill

    def _get_state(self, _: Any, record: int, state: int) -> int:
        try:
            assert self._state is not None
            values = np.asarray(self._state[0](self._instances[record].env), np.float64).reshape(-1)
            if values.size != self._state_dim:
                raise ValueError(f"the state has {values.size} numbers; at first it had {self._state_dim}")
            _view(state, self._state_dim)[:] = values
            return 0
        except BaseException as e:
            return self._fail(record, e)

    def _set_state(self, _: Any, record: int, state: int) -> int:
        try:
            assert self._state is not None
            i = self._instances[record]
            self._fill(i, self._state[1](i.env, _view(state, self._state_dim).copy()), 0.0, False, False, {})
            return 0
        except BaseException as e:
            return self._fail(record, e)

    # ---- by itself, without the library ---------------------------------------------------------------------------------

    def make(self) -> gymnasium.Env[Any, Any]:
        """A new one."""
        return self._try_make()

    def begin(self, env: gymnasium.Env[Any, Any], seed: int) -> tuple[Any, dict[str, Any]]:
        """A new episode of the first training task: observation and info."""
        return self._begin(env, self.tasks[0] if self.tasks else None, seed)

    @property
    def has_state(self) -> bool:
        return self._state is not None

    def play_expert(self, episodes: int) -> tuple[float, float]:
        """Mean return and share of episodes with success of the expert, over tasks in turn."""
        if self.expert is None:
            raise ValueError("there is no expert=")
        env, returns, successes = self.make(), [], []
        try:
            for k in range(episodes):
                obs, info = self._begin(env, self.tasks[k % len(self.tasks)] if self.tasks else None, k)
                total, reached = 0.0, False
                for _ in range(self.horizon):
                    obs, reward, terminated, truncated, info = env.step(self.expert(env, obs))
                    total += float(reward)
                    reached = self._succeeds(env, obs, info)
                    if terminated or truncated:
                        break
                returns.append(total)
                successes.append(reached)
        finally:
            env.close()
        return float(np.mean(returns)), float(np.mean(successes))

    def _succeeds(self, env: Any, obs: Any, info: dict[str, Any]) -> bool:
        if self._success is not None:
            return bool(self._success(env, obs, info))
        return bool(info.get("success") or info.get("is_success") or False)

    # ---- checking -------------------------------------------------------------------------------------------------------

    def check(self, episodes: int = 3) -> Check:
        """Plays episodes of random actions, and says what works. An environment that fails raises ml3.Error."""
        from ml3.environment_check import check

        return check(self, episodes)


def _last_line(e: BaseException) -> str:
    """The last line of a traceback, and where it was raised."""
    text = traceback.format_exception_only(type(e), e)[-1].strip().replace("\n", " ")
    frames = traceback.extract_tb(e.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return text + where
