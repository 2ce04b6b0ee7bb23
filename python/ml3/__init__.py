"""The environments of ml3 for Gymnasium. Importing registers them: gymnasium.make("ml3/Reacher-v0")."""

import gymnasium

from ml3 import library
from ml3.env import Env
from ml3.vector import VectorEnv

__all__ = ["Env", "VectorEnv", "environments", "version"]


def environments():
    """What there is: one description a name, as ml3_env_describe gives it."""
    return {spec.name: spec.description for spec in library.specs()}


def version():
    """The version of the shared library."""
    return library.lib.ml3_version().decode()


def _register():
    for spec in library.specs():
        gymnasium.register(
            id=spec.gymnasium_id,
            entry_point="ml3:Env",
            vector_entry_point="ml3:VectorEnv",
            max_episode_steps=spec.description["horizon"],
            kwargs={"name": spec.name},
        )


_register()
