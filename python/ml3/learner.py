"""A fresh policy that learns a task by a learned loss alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from ctypes import byref
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ml3 import structures
from ml3.library import Error, lib
from ml3.networks import Policy, load_loss, load_policy
from ml3.runs import Named, name_of
from ml3.session import Callback, Record, Session, encoded, settings_of, texts


class Learner:
    """A fresh policy in an environment, which adapts to a held-out task by a learned loss, without the task loss and without extra
    information.

    loss: a run, "zoo:NAME", a FILE.safetensors, or an ml3.Loss. env: what it learns in, an environment, a preset or an ml3.Environment;
        None: what the loss was learned on. task: the number of the held-out task. set: settings over the experiment.
    history: a Record before the first update and one after each: "learned_loss", "task_loss", "return", "distance", "success", "passed".
    """

    def __init__(
        self, loss: Any, env: Named | None = None, *, task: int = 0, set: Mapping[str, Any] | None = None, seed: int | None = None
    ) -> None:
        self._loss, self._env, self.task = name_of(loss), name_of(env), task
        self._settings = settings_of(set) + ([] if seed is None else [f"seed={int(seed)}"])
        self.updates, self.history, self._policy = 0, [], None
        if self._loss is None:
            raise ValueError("which loss? expected a run, zoo:NAME, a file or an ml3.Loss")

    history: list[Record]
    _policy: Policy | None

    def learn(self, updates: int = 5, *, callback: Callback | None = None, progress: bool | None = None) -> Learner:
        """So many updates more. All of them are made again from the first policy, with the same bits: nothing is kept in between."""
        history: list[Record] = []

        def keep(record: Record) -> Any:
            history.append(record)
            return callback(record) if callback else None

        session = Session(keep, progress)
        outcome = structures.Outcome()
        loss, what = self._loss, self._env
        if what is None and loss is not None and loss.endswith(".safetensors"):
            what = str(Path(loss).parent)  # of a run: what it was learned on
        with tempfile.TemporaryDirectory(prefix="ml3-") as folder:
            path = Path(folder) / "policy.safetensors"
            how = structures.AdaptSettings(
                what=encoded(what if what is not None else loss),
                loss=encoded(loss) if what is not None else None,
                settings=texts(self._settings),
                count=len(self._settings),
                task=self.task,
                updates=self.updates + updates,
                output=encoded(path),
                callbacks=session.pointer,
            )
            session.call(lib.ml3_lab_adapt, byref(how), byref(outcome))
            if path.is_file():
                self._content = path.read_bytes()
                try:
                    self._policy = load_policy(path)
                except Error:
                    self._policy = None  # a model of supervised learning
        self.updates += updates if not session.stopped else len(history) - 1 - self.updates
        self.history = history
        return self

    @property
    def policy(self) -> Policy:
        """What was learned: `.torch()` is a module of PyTorch, `.parameters` are its arrays."""
        if self._policy is None:
            raise Error("there is no policy: call learn() first, of a loss for policies (a model of 'sine' and its like is none)")
        return self._policy

    def predict(self, obs: ArrayLike, goal: ArrayLike | None = None) -> Any:
        """The policy's mean action, as ml3.Policy.predict."""
        return self.policy.predict(obs, goal)

    def save(self, path: str | Path) -> None:
        """The policy as policy.safetensors, for ml3.load_policy and ml3.evaluate."""
        self.policy  # noqa: B018  a sentence where there is none
        Path(path).write_bytes(self._content)
