"""libml3.so by ctypes: where it is, what its functions take, and its errors as Python's."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import operator
import os
import pathlib
import sys
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.utils import seeding

if TYPE_CHECKING:
    from gymnasium.spaces import Box, Space

API = "0.1"  # the library's major and minor version that this package is for
PURPOSE_RESET, PURPOSE_ACTION = 5, 6  # base/random.h


class Error(Exception):
    """What the library says went wrong. code: as in base/error.h."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


# ---- structures of the headers, as small as they are there ---------------------------------------------------------


class ErrorStruct(ctypes.Structure):
    _fields_ = [("code", c_int), ("message", c_char * 640)]


class Random(ctypes.Structure):
    _fields_ = [("key", c_uint32 * 2), ("counter", c_uint32 * 4), ("block", c_uint32 * 4), ("used", c_int)]


class Result(ctypes.Structure):
    _fields_ = [("reward", c_double), ("terminated", c_bool), ("truncated", c_bool), ("code", c_int)]


class Infos(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("reward", "state", "task", "distance", "success")]


# ---- loading -----------------------------------------------------------------------------------------------------------


def _candidates() -> list[str | None]:
    """Places of the library, best first."""
    if os.environ.get("ML3_LIBRARY"):
        return [os.environ["ML3_LIBRARY"]]
    here = pathlib.Path(__file__).resolve()
    prefixes = [sys.prefix, os.path.expanduser("~/.local"), "/usr/local", "/usr"]
    folders = [f"{p}/{lib}" for p in prefixes for lib in ("lib", "lib64", f"lib/{os.uname().machine}-linux-gnu")]
    own = [here.parent / "lib" / "libml3.so", here.parents[2] / "build" / "libml3.so"]  # of a wheel; of a source tree
    found = [str(path) for path in own] + [f"{folder}/libml3.so" for folder in folders]
    return [path for path in found if os.path.exists(path)] + [ctypes.util.find_library("ml3")]


def _load() -> ctypes.CDLL:
    tried = []
    for path in _candidates():
        if path:
            try:
                return ctypes.CDLL(path)
            except OSError as e:
                tried.append(str(e))
    raise ImportError(
        "ml3: libml3.so cannot be loaded"
        + (f" ({'; '.join(tried)})" if tried else "")
        + "; `pip install .` in the source of ml3 builds one; or build ml3 (`cmake --preset release && cmake --build"
        " --preset release`) and set ML3_LIBRARY to its build/libml3.so, or install it (`cmake --install build`)"
    )


# `ml3.train("gym:ID")` steps in processes of this Python.
os.environ.setdefault("ML3_PYTHON", sys.executable)
lib = _load()

_SIGNATURES = {
    "ml3_version": (c_char_p,),
    "ml3_real_size": (c_size_t,),
    "ml3_random_stream": (Random, c_uint64, c_int, c_uint32, c_uint32),
    "ml3_env_count": (c_int,),
    "ml3_env_at": (c_void_p, c_int),
    "ml3_env_find": (c_void_p, c_char_p, POINTER(ErrorStruct)),
    "ml3_env_describe": (c_void_p, c_void_p),
    "ml3_env_gymnasium_id": (c_int, c_void_p, c_char_p, c_int),
    "ml3_env_new": (c_void_p, c_void_p, POINTER(ErrorStruct)),
    "ml3_env_free": (None, c_void_p),
    "ml3_env_reset": (None, c_void_p, c_void_p, POINTER(Random)),
    "ml3_env_step_checked": (c_int, c_void_p, c_void_p, POINTER(Result), POINTER(ErrorStruct)),
    "ml3_env_observe": (None, c_void_p, c_void_p),
    "ml3_env_goal": (None, c_void_p, c_void_p),
    "ml3_env_get_state": (None, c_void_p, c_void_p),
    "ml3_env_set_state": (None, c_void_p, c_void_p),
    "ml3_env_full_dim": (c_int, c_void_p),
    "ml3_env_get_full": (None, c_void_p, c_void_p),
    "ml3_env_set_full": (None, c_void_p, c_void_p),
    "ml3_env_distance": (c_double, c_void_p),
    "ml3_env_success": (c_bool, c_void_p),
    "ml3_env_sample_task": (None, c_void_p, POINTER(Random), c_void_p),
    "ml3_env_default_task": (None, c_void_p, c_void_p),
    "ml3_env_batch_new": (c_void_p, c_void_p, c_int, c_int, c_uint64, c_bool, POINTER(ErrorStruct)),
    "ml3_env_batch_free": (None, c_void_p),
    "ml3_env_batch_set_autoreset": (None, c_void_p, c_int),
    "ml3_env_batch_set_horizon": (None, c_void_p, c_int),
    "ml3_env_batch_seed_row": (None, c_void_p, c_int, c_uint64, c_uint32),
    "ml3_env_batch_watch": (None, c_void_p, POINTER(Infos), POINTER(Infos)),
    "ml3_env_batch_reset_rows": (None, c_void_p, c_void_p, c_void_p, c_void_p),
    "ml3_env_batch_full_dim": (c_int, c_void_p),
    "ml3_env_batch_get_full": (None, c_void_p, c_void_p),
    "ml3_env_batch_set_full": (None, c_void_p, c_void_p),
    "ml3_env_batch_step": (c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(ErrorStruct)),
    "ml3_frame_new": (c_void_p, c_void_p, c_int, c_int, POINTER(ErrorStruct)),
    "ml3_frame_free": (None, c_void_p),
    "ml3_frame_draw": (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(ErrorStruct)),
}


def declare(signatures: dict[str, tuple[Any, ...]]) -> None:
    """Of functions of the library: what they return, then what they take."""
    for name, (result, *arguments) in signatures.items():
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise ImportError(f"ml3: {lib._name} has no {name}; it is not the library of version {API}") from None
        function.restype, function.argtypes = result, arguments


declare(_SIGNATURES)

if lib.ml3_version().decode().rsplit(".", 1)[0] != API:
    raise ImportError(f"ml3: {lib._name} is version {lib.ml3_version().decode()}; this package is for {API}")

real: Any = np.float64 if lib.ml3_real_size() == 8 else np.float32

_free = ctypes.CDLL(None).free
_free.argtypes = [c_void_p]


def call(function: Any, *arguments: Any) -> Any:
    """Calls a function whose last argument is an ml3_error; raises what it says."""
    error = ErrorStruct()
    answer = function(*arguments, byref(error))
    if answer is None or answer < 0:  # a pointer that is NULL, or a code; `error` may hold what was mended since
        raise Error(error.message.decode(errors="replace"), error.code)
    return answer


class Spec:
    """An environment's ml3_env_spec: its pointer, name, Gymnasium id and description."""

    def __init__(self, pointer: int) -> None:
        self.pointer = pointer
        text = lib.ml3_env_describe(pointer)
        self.description: dict[str, Any] = json.loads(ctypes.string_at(text).decode())
        _free(text)
        self.name: str = self.description["name"]
        name = ctypes.create_string_buffer(160)
        lib.ml3_env_gymnasium_id(pointer, name, len(name))
        self.gymnasium_id = name.value.decode()

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: another process has the environment elsewhere in memory, and may work in another folder."""
        return find, (os.path.abspath(self.name) if self.name.endswith(".xml") else self.name,)

    def dim(self, key: str) -> int:
        return len(self.description[key])

    def task_values(self, task: Any) -> list[tuple[int, Any]]:
        """A task as [(index of the parameter, value)]: all values in order, or some by name."""
        names = [p["name"] for p in self.description["task"]]
        if not isinstance(task, dict):
            values = np.asarray(task, dtype=np.float64)
            if values.shape[-1:] != (len(names),):
                raise ValueError(f"options['task'] has shape {values.shape}; expected {len(names)} numbers: {', '.join(names)}")
            task = dict(zip(names, np.moveaxis(values, -1, 0)))
        for name, value in task.items():
            if name not in names:
                raise ValueError(f"options['task'] names {name!r}; there are {', '.join(names)}")
            if not np.isfinite(value).all():
                raise ValueError(f"options['task'][{name!r}] is {value}; expected finite numbers")
        return [(names.index(name), value) for name, value in task.items()]

    def actions(self) -> Space[Any]:
        """The space of actions: gymnasium.spaces.Discrete where they are choices, else a Box."""
        from gymnasium.spaces import Discrete

        choices = self.description["choices"]
        return Discrete(choices) if choices else self.box("action", np.float32)

    def box(self, key: str, dtype: Any) -> Box:
        """The fields of that key as a gymnasium.spaces.Box."""
        from gymnasium.spaces import Box

        fields = self.description[key]
        low = np.array([-np.inf if f["low"] is None else f["low"] for f in fields])
        high = np.array([np.inf if f["high"] is None else f["high"] for f in fields])
        return Box(low.astype(dtype), high.astype(dtype), dtype=dtype)


def seed_of(seed: Any) -> int:
    """A seed as Gymnasium takes it, a whole number from 0, as a Python integer. NumPy's integers are taken too."""
    try:
        seed = operator.index(seed)
    except TypeError:
        pass  # Gymnasium says what it expects
    seeding.np_random(seed)
    return int(seed)


def stream_seed(seed: int) -> int:
    """The 64 bits of the library's streams. Larger seeds are mixed into them, so that they differ from small ones."""
    return seed if seed < 2**64 else int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


def read_options(options: dict[str, Any] | None, known: tuple[str, ...]) -> list[Any]:
    """The options of a reset by name, None where one is not given; others are an error."""
    options = options or {}
    for name in options:
        if name not in known:
            raise ValueError(f"options has {name!r}; there are {', '.join(map(repr, known))}")
    return [options.get(name) for name in known]


def expect_full(spec: Spec, full: Any, shape: tuple[int, ...]) -> None:
    """A full state that comes from elsewhere: has it the shape of this library's?"""
    if full.shape != shape:
        raise Error(
            f"the copied state of '{spec.name}' has {full.shape} numbers; expected {shape}: its files or MuJoCo are not"
            " what they were"
        )


def specs() -> list[Spec]:
    return [Spec(lib.ml3_env_at(i)) for i in range(lib.ml3_env_count())]


def find(name: Any) -> Spec:
    return Spec(call(lib.ml3_env_find, str(name).encode()))
