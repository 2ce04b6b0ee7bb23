"""Learned losses and policies by their files, as functions of NumPy, PyTorch and JAX. Formulas: docs/learned_loss.md, and
agents/learn/policy.h."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml3.library import Error, lib
from ml3.runs import name_of

if TYPE_CHECKING:
    import torch

Array = NDArray[Any]
Rows = Union[ArrayLike, Mapping[str, ArrayLike]]
_DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
_INPUT_LIMIT = 10.0  # agents/learn/policy.h


def _activations(xp: Any) -> dict[str, Callable[[Any], Any]]:
    """By name, in the functions of NumPy, torch or jax.numpy. None overflows."""
    log_add = xp.logaddexp
    return {
        "identity": lambda x: x,
        "tanh": xp.tanh,
        "relu": lambda x: x * (x > 0),
        "sigmoid": lambda x: 0.5 * (1 + xp.tanh(0.5 * x)),
        "elu": lambda x: xp.where(x > 0, x, xp.expm1(x * (x < 0))),
        "softplus": lambda x: log_add(x, 0 * x),
    }


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Tensors by name, and texts, of a file in the safetensors format."""
    try:
        raw = Path(path).read_bytes()
        begin = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:begin])
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            first, end = entry["data_offsets"]
            data = np.frombuffer(raw[begin + first : begin + end], _DTYPES[entry["dtype"]])
            tensors[name] = data.reshape(entry["shape"]).copy()
        return tensors, metadata
    except OSError as e:
        raise Error(f"'{os.fspath(path)}' cannot be read: {e.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise Error(f"'{os.fspath(path)}' is damaged or no file of safetensors: {e}") from None


def _share(kind: str) -> Path | None:
    """Where what comes with ml3 lies, beside the library (lab/presets.h)."""
    here = Path(os.path.realpath(lib._name)).parent
    places = [here / "share/ml3", here / "../share/ml3", here / "../../share/ml3", Path("/usr/share/ml3")]
    return next((place / kind for place in places if (place / kind).is_dir()), None)


def file_of(what: Any, file: str, made_by: str) -> Path:
    """A file of a run, of the zoo, or the file itself."""
    name = name_of(what)
    if name is None:
        raise ValueError(f"which? expected a run, zoo:NAME or a file like {file}")
    path = Path(name)
    if name.startswith("zoo:"):
        zoo = _share("zoo")
        names = sorted(entry.name for entry in zoo.iterdir() if entry.is_dir()) if zoo else []
        if zoo is None or name[4:] not in names:
            raise Error(f"the zoo has no '{name[4:]}'; there are {', '.join(names) or 'none: is ml3 installed whole?'}")
        path = zoo / name[4:]
    if path.is_dir():
        path /= file
    if not path.is_file():
        raise Error(f"'{path}' is not there; {made_by}")
    return path


# ---- losses ------------------------------------------------------------------------------------------------------------


def load_loss(what: Any) -> Loss:
    """The learned loss of a run, of "zoo:NAME", or of a loss.safetensors."""
    return Loss(file_of(what, "loss.safetensors", "`ml3.train` of a preset, such as 'sine', makes one"))


class Loss:
    """A learned loss: rows of features in, one number out, the (weighted) mean over rows.

    names: of the features, in the order of columns; inputs: of those that it depends on. spec: the metadata of the file. rate: the step size that it was learned with.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.tensors, metadata = read_tensors(path)
        try:
            self.spec: dict[str, Any] = json.loads(metadata["spec"])
            self.names: list[str] = list(self.spec["features"])
        except (KeyError, ValueError):
            raise Error(f"'{self.path}' is not a learned loss: it has no spec of one") from None
        if self.spec["kind"] != "learned":
            raise Error(f"'{self.path}' holds a learned start, not a learned loss")

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"ml3.Loss({os.fspath(self.path)!r}, inputs: {', '.join(self.inputs)})"

    @property
    def inputs(self) -> list[str]:
        """Names of the features that it depends on, of which columns by name are to be given."""
        spec = self.spec
        behind = [i - 1 for key in ("target_bases", "target_factors") for i in spec.get(key, []) if i > 0]
        used = {*spec["columns"], *spec.get("targets", []), *behind, spec.get("base", -1)}
        return [name for i, name in enumerate(self.names) if i in used]

    @property
    def rate(self) -> float:
        """The step size of the updates that it was learned with, learned too in most; a mean where each parameter has one."""
        if "log_rate" in self.tensors:
            return float(np.exp(self.tensors["log_rate"]).mean())
        return float(self.tensors["rate"].mean()) if "rate" in self.tensors else float(self.spec["rate"])

    def numpy(self, rows: Rows | None = None, /, **columns: ArrayLike) -> float:
        """The loss of rows[n, features], or of columns by name: loss.numpy(x=..., prediction=..., target=...), or a dictionary."""
        return float(self._function(np, self.tensors)(self._rows(np, rows if rows is not None else columns)))

    def torch(self) -> torch.nn.Module:
        """A torch.nn.Module of rows, or of a dictionary of columns, differentiable by them; its tensors are buffers, and not trained."""
        from ml3.torch_modules import LossModule

        return LossModule(self)

    def jax(self) -> Callable[[Any], Any]:
        """A function of rows, or of a dictionary of columns, for jax.grad and jax.jit."""
        import jax.numpy as jnp

        tensors = {name: jnp.asarray(x) for name, x in self.tensors.items()}
        function = self._function(jnp, tensors)
        return lambda rows: function(self._rows(jnp, rows))

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _rows(self, xp: Any, rows: Any) -> Any:
        """Rows of all features in order."""
        as_array = xp.as_tensor if hasattr(xp, "as_tensor") else xp.asarray
        if isinstance(rows, Mapping):
            missing, unknown = [n for n in self.inputs if n not in rows], [n for n in rows if n not in self.names]
            if missing or unknown:
                what = f"{missing[0]!r} is missing" if missing else f"{unknown[0]!r} is unknown"
                raise ValueError(f"{what} among the columns; this loss sees {', '.join(self.inputs)}")
            given = {name: as_array(column).reshape(-1) for name, column in rows.items()}
            unseen = 0 * given[self.inputs[0]]
            rows = xp.stack([given.get(name, unseen) for name in self.names], -1)
        else:
            rows = as_array(rows)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise ValueError(f"rows have shape {tuple(rows.shape)}; expected [n, {len(self.names)}]: {', '.join(self.names)}")
        return rows

    def _function(self, xp: Any, t: Mapping[str, Any]) -> Callable[[Any], Any]:
        spec, activations = self.spec, _activations(xp)
        hidden, output, layers = activations[spec["activation"]], activations[spec["output"]], len(spec["hidden"]) + 1
        columns = list(spec["columns"])
        targets = list(spec.get("targets", []))
        bases, factors = (spec.get(key, [0] * len(targets)) for key in ("target_bases", "target_factors"))
        others = [i for i, column in enumerate(columns) if column not in targets]

        def network(x: Any, prefix: str) -> Any:
            for i in range(layers):
                x = x @ t[f"{prefix}weight{i}"].T + (t[f"{prefix}bias{i}"] if spec["bias"] else 0)
                x = hidden(x) if i < layers - 1 else x
            return x

        def off_target(rows: Any, seen: Any) -> Any:
            h, value = network(seen[:, others], "target_"), 0
            for i, (target, base, factor) in enumerate(zip(targets, bases, factors)):
                by = rows[:, factor - 1] if factor > 0 else int(factor == 0)
                aim = h[:, i] * by + (rows[:, base - 1] if base else 0)
                value = value + 0.5 * (rows[:, target] - aim) ** 2
            return value

        def loss(rows: Any) -> Any:
            seen = (rows[:, columns] - t["shift"]) * t["scale"]
            if spec.get("only_targets"):
                return off_target(rows, seen).mean()
            x = network(seen, "")
            values, z = output(x[:, 0]), x[:, -1]
            if targets:
                values = values + off_target(rows, seen)
            if spec.get("base", -1) >= 0:
                values = values + rows[:, spec["base"]]
            if spec["weighting"] == "none":
                return values.mean()
            if spec["weighting"] == "sigmoid":
                return (values * 2 * activations["sigmoid"](z)).mean()
            weights = xp.exp(5 * xp.tanh(z / 5))
            return (values * weights).sum() / weights.sum()

        return loss


# ---- policies ------------------------------------------------------------------------------------------------------------


def load_policy(what: Any) -> Policy:
    """The policy of a run that has trained one, or of a policy.safetensors."""
    return Policy(file_of(what, "policy.safetensors", "`ml3.train(env, set={'method': 'ppo'})` or `ml3.Learner` make one"))


class Policy:
    """A policy by its file: what its mean (or likeliest) action is in an observation.

    shape: kind, "observations", "goal", "actions", "hidden", "activation" ... as the file has them.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.tensors, metadata = read_tensors(path)
        if metadata.get("format") != "ml3 policy 2":
            raise Error(f"'{self.path}' is not a policy: its header does not say 'ml3 policy 2'")
        self.shape: dict[str, Any] = json.loads(metadata["shape"])

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"ml3.Policy({os.fspath(self.path)!r}, {self.shape['kind']}, {self.inputs} inputs, {self.shape['actions']} actions)"

    @property
    def inputs(self) -> int:
        """Entries of the observation, and of the goal where it is an input."""
        return int(self.shape["observations"] + self.shape["goal"])

    @property
    def discrete(self) -> bool:
        """Actions are choices."""
        return bool(self.shape["kind"] == "categorical")

    @property
    def outputs(self) -> int:
        """Of the network: twice the actions where the deviations depend on the state."""
        return int(self.shape["actions"] * (2 if self.shape["kind"] in ("gaussian_state", "squashed_gaussian") else 1))

    @cached_property
    def parameters(self) -> dict[str, Array]:
        """weight0 [out, in], bias0 [out], weight1 ..., and log_std where it is free."""
        widths = [self.inputs, *self.shape["hidden"], self.outputs]
        theta, found, at = self.tensors["theta"].reshape(-1), {}, 0
        for i, (rows, columns) in enumerate(zip(widths[1:], widths[:-1])):
            found[f"weight{i}"] = theta[at : at + rows * columns].reshape(rows, columns)
            at += rows * columns
            if self.shape["bias"]:
                found[f"bias{i}"] = theta[at : at + rows]
                at += rows
        if self.shape["kind"] == "gaussian":
            found["log_std"] = theta[at:]
        return found

    @cached_property
    def _act(self) -> Callable[[Any], Any]:
        numbers = {name: np.asarray(x, np.float64) for name, x in {**self.tensors, **self.parameters}.items()}
        return self.function(np, numbers)

    def predict(self, obs: ArrayLike, goal: ArrayLike | None = None) -> Any:
        """The action in obs[..., observations]: an array within the bounds, or a number among the choices where these are discrete."""
        x = np.asarray(obs, np.float64)
        if goal is not None:
            x = np.concatenate([x, np.broadcast_to(np.asarray(goal, np.float64), (*x.shape[:-1], np.shape(goal)[-1]))], -1)
        if x.ndim == 0 or x.shape[-1] != self.inputs:
            wanted = f"{self.shape['observations']} entries" + (f" and a goal of {self.shape['goal']}" if self.shape["goal"] else "")
            raise ValueError(f"the observation has shape {np.shape(obs)}, the goal {None if goal is None else np.shape(goal)}; expected {wanted}")
        y = self._act(x)
        if not self.discrete:
            return y
        choice = y.argmax(-1)
        return int(choice) if choice.ndim == 0 else choice

    def torch(self) -> torch.nn.Module:
        """A torch.nn.Module from observations (with the goal behind them, where it is an input) to mean actions, or to the logits of
        discrete ones. Its parameters can be trained."""
        from ml3.torch_modules import PolicyModule

        return PolicyModule(self)

    def function(self, xp: Any, t: Mapping[str, Any]) -> Callable[[Any], Any]:
        """The mean action, or logits, of inputs, in the functions of NumPy or torch, over tensors and parameters t."""
        shape, layers, n = self.shape, len(self.shape["hidden"]) + 1, int(self.shape["actions"])
        hidden, clip = _activations(xp)[shape["activation"]], bool(np.asarray(self.tensors["clip_input"]).reshape(-1)[0])
        minus = self.tensors.get("minus", np.zeros(self.inputs)).astype(int)
        relative = np.flatnonzero(minus)
        other = np.where(minus > 0, minus - 1, 0)
        squashed = shape["kind"] == "squashed_gaussian"
        low, high = t["action_low"], t["action_high"]

        def act(x: Any) -> Any:
            if relative.size:
                keep = xp.as_tensor(minus > 0, dtype=x.dtype) if hasattr(xp, "as_tensor") else (minus > 0)
                x = x - x[..., other] * keep
            x = (x - t["shift"]) * t["scale"]
            if clip:
                x = x.clip(-_INPUT_LIMIT, _INPUT_LIMIT)
            for i in range(layers):
                x = x @ t[f"weight{i}"].T + (t[f"bias{i}"] if shape["bias"] else 0)
                x = hidden(x) if i < layers - 1 else x
            if shape["kind"] == "categorical":
                return x
            x = x[..., :n]
            if not squashed and shape["squash"] != "tanh":
                return xp.minimum(xp.maximum(x, low), high)
            middle, half = (low + high) / 2, (high - low) / 2
            return middle + half * xp.tanh(x if squashed else (x - middle) / half)

        return act
