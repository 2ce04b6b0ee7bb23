"""Evaluating what was learned, and methods side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from ctypes import byref, c_void_p, create_string_buffer
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml3 import structures
from ml3.library import lib
from ml3.runs import Named, name_of
from ml3.session import Session, encoded, settings_of, texts


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4g} (95 %: {self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Evaluation:
    """What a policy does in episodes of tasks that training has not seen.

    updates: that fresh policies adapted by; -1: none did, a policy acted that was trained.
    success: share of episodes at the goal in the last state; passed: in any. They and distance are None without a goal.
    tasks: "episodes", "diverged", "episode_return", "distance", "success", "passed" of each task.
    """

    environment: str
    method: str
    updates: int
    episodes: int
    diverged: int
    episode_return: Interval
    distance: Interval | None
    success: Interval | None
    passed: Interval | None
    tasks: dict[str, NDArray[np.float64]]


def evaluate(
    what: Named,
    env: Named | None = None,
    *,
    set: Mapping[str, Any] | None = None,
    episodes: int = 0,
    tasks: int = 0,
    updates: int | None = None,
    progress: bool | None = None,
) -> Evaluation:
    """Evaluates a run, "zoo:NAME", or a FILE.safetensors of a policy, on held-out tasks.

    env: of a policy, another environment than its run's. set: settings over the run's experiment.
    episodes: in all; 0: 100. tasks: that these are of; 0: one an episode, of a learned loss at most test.tasks.
    updates: of a learned loss, that a fresh policy adapts by first; None: as many as in validation; 0: none.
    """
    session, settings = Session(progress=progress), settings_of(set)
    found = structures.EvaluationStruct()
    how = structures.EvaluateSettings(
        what=encoded(name_of(what)),
        environment=encoded(name_of(env)),
        settings=texts(settings),
        count=len(settings),
        episodes=episodes,
        tasks=tasks,
        updates=0 if updates is None else updates or -1,
        callbacks=session.pointer,
    )
    session.call(lib.ml3_lab_evaluate, byref(how), byref(found))
    try:
        return _evaluation(found)
    finally:
        lib.ml3_lab_evaluation_free(byref(found))


def _evaluation(found: structures.EvaluationStruct) -> Evaluation:
    def interval(name: str, needs_goal: bool = True) -> Interval | None:
        x = getattr(found, name)
        return None if needs_goal and found.no_goal else Interval(x.mean, x.low, x.high)

    rows = [found.rows[i] for i in range(found.tasks)]
    names = [field[0] for field in structures.EvaluatedTask._fields_]
    returns = found.episode_return
    return Evaluation(
        environment=found.environment.decode(),
        method=found.method.decode(),
        updates=found.updates,
        episodes=found.episodes,
        diverged=found.diverged,
        episode_return=Interval(returns.mean, returns.low, returns.high),
        distance=interval("distance"),
        success=interval("success"),
        passed=interval("passed"),
        tasks={name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in names},
    )


class Comparison:
    """Methods side by side.

    rows: a dictionary for each method, with the columns of comparison.csv: "method", "success", "return", "distance",
        "env_steps", ... each with "..._low" and "..._high", and "run", what was compared.
    legend: what the columns mean.
    """

    def __init__(self, rows: list[dict[str, Any]], table: str, legend: str) -> None:
        self.rows, self.legend, self._table = rows, legend, table

    def to_pandas(self) -> Any:
        """A pandas.DataFrame of the rows (pip install pandas)."""
        import pandas

        return pandas.DataFrame(self.rows)

    def __str__(self) -> str:
        return self._table

    def _repr_markdown_(self) -> str:
        return self._table + "\n\n" + self.legend.replace("\n", "  \n")


def compare(
    what: Named | Sequence[Named],
    *,
    methods: Sequence[str] = (),
    set: Mapping[str, Any] | None = None,
    seed: int | None = None,
    seeds: int = 1,
    reference: str | None = None,
    budget: int = 0,
    errors: Mapping[str, float] | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Comparison:
    """Compares methods on the same held-out tasks, with the same judge, steps of learning and planning counted alike.

    what: a run, "zoo:NAME", an environment; or several of them, each compared on tasks of its own environment.
    methods: by name ("learned_loss", "task_gradient", "ilqr", ...; `ml3 compare --help` lists them); none: those that a run or an
        environment has. set: settings, such as {"test.tasks": 20, "test.steps": [1, 5]}.
    seed: of the tasks; None: the run's. seeds: so many of them. reference: the method that p values are against.
    budget: most steps of simulator or model that a method may take on a task; 0: no bound.
    errors: what the world has otherwise than models say: {"mass": 0.1} is 10 % off.
    output: a folder that exists, for comparison.csv, .md, .tex and comparison_tasks.csv (of one thing compared).
    """
    things = list(what) if isinstance(what, (list, tuple)) else [what]
    if not things:
        raise ValueError("what is an empty list; expected runs or environments to compare")
    if output is not None and len(things) > 1:
        raise ValueError("output is for one thing that is compared; compare several one by one to keep each")
    settings = settings_of(set) + ([] if seed is None else [f"seed={int(seed)}"])
    rows: list[dict[str, Any]] = []
    tables, legend = [], ""
    for thing in things:
        session = Session(progress=progress)
        name = name_of(thing)
        how = structures.CompareSettings(
            name=encoded(name),
            sets=texts(settings),
            set_count=len(settings),
            methods=texts(list(methods)),
            method_count=len(methods),
            reference=encoded(reference),
            seeds=seeds,
            budget=budget,
            callbacks=session.pointer,
        )
        if len(errors or {}) > len(how.errors):
            raise ValueError(f"errors has {len(errors or {})} parameters; at most {len(how.errors)} are possible")
        for i, (parameter, relative) in enumerate((errors or {}).items()):
            how.errors[i] = structures.CompareError(parameter.encode(), relative)
        how.error_count = len(errors or {})
        pointer = session.call(lib.ml3_lab_compare, byref(how))
        try:
            shown, numbers = _tables(pointer)
            if output is not None:
                session.call(lib.ml3_lab_comparison_save, pointer, encoded(output))
            text = create_string_buffer(4096)
            lib.ml3_lab_comparison_legend(pointer, text, len(text))
        finally:
            lib.ml3_lab_comparison_free(pointer)
        legend = text.value.decode(errors="replace")
        heading, *lines = numbers
        rows += [{"run": name, **{key: _number(x) for key, x in zip(heading, line)}} for line in lines]
        tables.append((f"{name}\n\n" if len(things) > 1 else "") + _markdown(shown))
    return Comparison(rows, "\n\n".join(tables), legend)


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _tables(comparison: Any) -> tuple[list[list[str]], list[list[str]]]:
    """What is shown, and all numbers: the heading, then rows."""
    shown, numbers = c_void_p(), c_void_p()
    Session(progress=False).call(lib.ml3_lab_comparison_tables, comparison, byref(shown), byref(numbers))
    found = []
    for table in (shown, numbers):
        columns = range(lib.ml3_lab_table_columns(table))
        found.append(
            [
                [lib.ml3_lab_table_cell(table, row, column).decode() for column in columns]
                for row in range(-1, lib.ml3_lab_table_rows(table))
            ]
        )
        lib.ml3_lab_table_free(table)
    return found[0], found[1]


def _markdown(table: list[list[str]]) -> str:
    heading, *rows = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([heading, "|" + "---|" * len(table[0]), *rows])
