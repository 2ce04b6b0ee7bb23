"""Reinforcement learning in which the loss is learned: training, learned losses, and environments for Gymnasium.

Importing registers the environments: gymnasium.make("ml3/Reacher-v0"). PyTorch, JAX and pandas are imported when they are used.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from ml3 import library
from ml3.comparison import Comparison, Evaluation, Interval, compare, evaluate
from ml3.env import Env
from ml3.environment import Environment
from ml3.environment_check import Check
from ml3.learner import Learner
from ml3.library import Error
from ml3.networks import Loss, Policy, load_loss, load_policy
from ml3.runs import Metrics, Run, load_run, train
from ml3.session import Record
from ml3.vector import VectorEnv

__all__ = [
    "Check",
    "Comparison",
    "Env",
    "Environment",
    "Error",
    "Evaluation",
    "Interval",
    "Learner",
    "Loss",
    "Metrics",
    "Policy",
    "Record",
    "Run",
    "VectorEnv",
    "compare",
    "environments",
    "evaluate",
    "load_loss",
    "load_policy",
    "load_run",
    "train",
    "version",
]


def environments() -> dict[str, dict[str, Any]]:
    """What there is: one description a name, as ml3_env_describe gives it."""
    return {spec.name: spec.description for spec in library.specs()}


def version() -> str:
    """The version of the shared library."""
    return str(library.lib.ml3_version().decode())


def _register() -> None:
    for spec in library.specs():
        gymnasium.register(
            id=spec.gymnasium_id,
            entry_point="ml3:Env",
            vector_entry_point="ml3:VectorEnv",
            max_episode_steps=spec.description["horizon"],
            kwargs={"name": spec.name},
        )


_register()
