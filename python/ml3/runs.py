"""Training, and the runs that it leaves: folders with configuration, metrics and what was learned."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping
from ctypes import byref
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from ml3 import structures
from ml3.library import Error, lib
from ml3.session import Callback, Session, encoded, settings_of, texts

if TYPE_CHECKING:
    from ml3.comparison import Comparison, Evaluation
    from ml3.environment import Environment
    from ml3.networks import Loss, Policy

Named = Union[str, "os.PathLike[str]", "Run", "Environment"]


def name_of(what: Any) -> str | None:
    """What the library calls a run, an environment of Python's, a path, a preset; None stays so."""
    if what is None:
        return None
    if isinstance(what, str):
        return what
    name = getattr(what, "registered_name", None)
    if name is not None:
        return str(name)
    return str(os.fspath(what))


def train(
    what: Named | None = None,
    *,
    set: Mapping[str, Any] | None = None,
    output: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    resume: str | os.PathLike[str] | Run | None = None,
    callback: Callback | None = None,
    progress: bool | None = None,
    force: bool = False,
    log: str | None = None,
) -> Run:
    """Trains a learned loss, a learned start or a policy, whatever the experiment describes.

    what: the name of a preset, an environment ("reacher"), a FILE.xml or FILE.yaml, a kind of problem, or an ml3.Environment.
    set: settings over it, {"outer.steps": 100} or {"outer": {"steps": 100}}; `ml3 config` lists the keys.
    output: the run's folder; None: a new one in runs/.
    seed: of everything random; the same one gives the same bits as `ml3 train` with it.
    resume: a run that goes on from its last checkpoint, in place of `what`.
    callback: is called with a Record for each line of metrics and each validation; when it returns False, training stops and keeps a
        checkpoint. What it raises does so as well, and is raised here.
    progress: a line of text; None: in a terminal or a notebook.
    force: a folder that exists is taken.
    log: besides metrics.csv: "tensorboard", "json", both with a comma, "none"; None: tensorboard.

    Ctrl-C keeps a checkpoint and raises KeyboardInterrupt. Errors are ml3.Error with a sentence that says what to change.
    """
    settings = settings_of(set)
    if seed is not None:
        settings.append(f"seed={int(seed)}")
    name = name_of(resume if resume is not None else what)
    if resume is not None and what is not None:
        raise ValueError(f"what is {what!r} and resume is {resume!r}; a run that goes on has its experiment already")
    if resume is not None and output is not None:
        raise ValueError(f"output is {output!r}; a run that goes on stays in its folder, {name!r}")

    session = Session(callback, progress)
    experiment = session.call(
        lib.ml3_lab_experiment_new, encoded(name), texts(settings), len(settings), session.pointer
    )
    result = structures.TrainResult()
    how = structures.TrainSettings(
        output=encoded(output),
        resume=encoded(name) if resume is not None else None,
        force=force,
        log=encoded(log),
        callbacks=session.pointer,
    )
    try:
        session.call(lib.ml3_lab_train, experiment, byref(how), byref(result))
    finally:
        lib.ml3_lab_experiment_free(experiment)
    return Run(os.fsdecode(result.folder), stopped=session.stopped)


def load_run(path: str | os.PathLike[str]) -> Run:
    """A run that is there already, by its folder."""
    return Run(path)


class Run:
    """A folder that training has left.

    stopped: a callback has stopped it; `resume()` goes on with the same bits as if it had not.
    """

    def __init__(self, path: str | os.PathLike[str], stopped: bool = False) -> None:
        self.path, self.stopped = Path(path), stopped
        if not (self.path / "config.yaml").is_file():
            raise Error(f"'{self.path}' is not a run folder: it has no config.yaml")

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"ml3.Run({os.fspath(self.path)!r})"

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, as used: {"environment": "reacher", "outer": {"steps": 100, ...}, ...}."""
        return read_config((self.path / "config.yaml").read_text())

    @property
    def metrics(self) -> Metrics:
        """metrics.csv by column."""
        return Metrics(self.path / "metrics.csv")

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json: how good, for how many steps and seconds; empty while the run is not finished."""
        path = self.path / "summary.json"
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    @property
    def finished(self) -> bool:
        return (self.path / "summary.json").is_file()

    def loss(self) -> Loss:
        """The learned loss that did best on validation tasks."""
        from ml3.networks import load_loss

        return load_loss(self.path)

    def policy(self) -> Policy:
        """The policy, of a run in which one was trained."""
        from ml3.networks import load_policy

        return load_policy(self.path)

    def resume(self, **options: Any) -> Run:
        """Goes on from the last checkpoint; options as of ml3.train (`set={"outer.steps": 200}` for more steps)."""
        return train(resume=self, **options)

    def evaluate(self, **options: Any) -> Evaluation:
        """ml3.evaluate of this run."""
        from ml3.comparison import evaluate

        return evaluate(self, **options)

    def compare(self, **options: Any) -> Comparison:
        """ml3.compare of this run."""
        from ml3.comparison import compare

        return compare(self, **options)


class Metrics(Mapping[str, NDArray[np.float64]]):
    """Columns of metrics.csv as arrays with an entry a line, NaN where there is none: metrics["validation/success"].

    A name without its section is enough when only one column has it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            with open(path, newline="") as file:
                heading, *lines = csv.reader(file)
        except (OSError, ValueError) as e:
            raise Error(f"'{os.fspath(path)}' is not the metrics of a run: {e}") from None
        rows = [[float(x) if x else math.nan for x in line] for line in lines if len(line) == len(heading)]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), len(heading))
        self._columns = {name: table[:, i].copy() for i, name in enumerate(heading)}

    @property
    def steps(self) -> NDArray[np.float64]:
        """The first column: outer steps, or steps of the environment."""
        return next(iter(self._columns.values()))

    def points(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps and values of a column where it has any."""
        values = self[name]
        there = ~np.isnan(values)
        return self.steps[there], values[there]

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with the step as index (pip install pandas)."""
        import pandas

        frame = pandas.DataFrame(self._columns)
        return frame.set_index(frame.columns[0])

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name in self._columns:
            return self._columns[name]
        found = [key for key in self._columns if key.rsplit("/", 1)[-1] == name]
        if len(found) == 1:
            return self._columns[found[0]]
        near = found or get_close_matches(name, self._columns, n=3)
        raise KeyError(f"no column {name!r}; " + (f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(self)}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"ml3.Metrics({len(self.steps)} lines: {', '.join(self)})"


def _value(text: str) -> Any:
    """A value of config.yaml: numbers, true and false, texts with or without quotes, lists of them."""
    text = text.strip()
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.startswith("[") and text.endswith("]"):
        return [_value(entry) for entry in next(csv.reader([text[1:-1]], skipinitialspace=True), []) if entry]
    return text


def read_config(text: str) -> dict[str, Any]:
    """config.yaml as ml3 writes it: keys, and sections of keys that are indented."""
    config: dict[str, Any] = {}
    section = config
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if not colon or key.startswith("#"):
            continue
        if not line.startswith(" "):
            section = config
        if value.strip():
            section[key] = _value(value)
        else:
            section = config.setdefault(key, {})
    return config
