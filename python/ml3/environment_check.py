"""What ml3.Environment.check finds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml3.env import Env
from ml3.library import call, find, lib, real

if TYPE_CHECKING:
    from ml3.environment import Environment


@dataclass
class Check:
    """What was found. ok: it can be trained in, and the same seed gives the same bits.

    same_bits: the same seed and actions gave the same observations, rewards and ends twice, in one instance and in another.
    seeds_differ: two seeds began differently. state_returns: a state that was set back gave the same step again; None: no state.
    steps, episode_return, success: of the random episodes; success is the share of steps at the goal.
    own_us, over_us: processor time of a step: the environment's own time, and ml3's over it.
    expert_return, expert_success: of as many episodes by the expert; None: no expert.
    notes: sentences about what a person should know.
    """

    environment: str
    same_bits: bool = False
    seeds_differ: bool = False
    state_returns: bool | None = None
    steps: int = 0
    episode_return: float = 0.0
    success: float = 0.0
    own_us: float = 0.0
    over_us: float = 0.0
    expert_return: float | None = None
    expert_success: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.same_bits and self.state_returns is not False

    def __str__(self) -> str:
        lines = [
            f"{self.environment}: {self.steps} steps of random actions, mean return {self.episode_return:.4g}",
            f"same seed, same bits twice: {'yes' if self.same_bits else 'no'}",
            f"a step: {self.own_us:.1f} us of its own, {self.over_us:.1f} us over it",
        ]
        if self.state_returns is not None:
            lines.append(f"a state set back gives the same step again: {'yes' if self.state_returns else 'no'}")
        if self.expert_return is not None:
            lines.append(f"expert: mean return {self.expert_return:.4g}, success {100 * (self.expert_success or 0):.0f} %")
        return "\n".join(lines + self.notes)


def _play(env: Env, seed: int, length: int) -> tuple[list[NDArray[Any]], list[float], list[bool]]:
    """An episode of random actions of that seed: observations, rewards, successes."""
    obs, info = env.reset(seed=seed)
    space = env.action_space
    space.seed(seed)
    seen, rewards, successes = [obs], [], []
    for _ in range(length):
        obs, reward, terminated, truncated, info = env.step(space.sample())
        seen.append(obs)
        rewards.append(reward)
        successes.append(info["success"])
        if terminated or truncated:
            break
    return seen, rewards, successes


def _same(a: tuple[list[Any], ...], b: tuple[list[Any], ...]) -> bool:
    return all(len(x) == len(y) and all(np.array_equal(p, q) for p, q in zip(x, y)) for x, y in zip(a, b))


def check(environment: Environment, episodes: int) -> Check:
    name = environment.registered_name
    found = Check(environment.name)
    env, other = Env(name, dtype=np.float64), Env(name, dtype=np.float64)
    try:
        plays = [_play(env, seed, environment.horizon) for seed in range(max(episodes, 2))]
        again = [_play(env, 0, environment.horizon), _play(other, 0, environment.horizon)]
        found.same_bits = all(_same(plays[0], play) for play in again)
        found.seeds_differ = not np.array_equal(plays[0][0][0], plays[1][0][0])
        found.steps = sum(len(rewards) for _, rewards, _ in plays)
        found.episode_return = float(np.mean([np.sum(rewards) for _, rewards, _ in plays]))
        found.success = float(np.mean([x for _, _, successes in plays for x in successes]))
        if environment.has_state:
            found.state_returns = _state_returns(env)
    finally:
        env.close()
        other.close()
    if environment.expert is not None:
        found.expert_return, found.expert_success = environment.play_expert(episodes)
    _measure(environment, found)
    if not found.same_bits:
        found.notes.append("the same seed gives other bits: runs cannot be repeated exactly; does reset(seed=) reach all that is random?")
    if not found.seeds_differ:
        found.notes.append("two seeds begin alike: is the start of an episode random at all?")
    if found.success == 0 and not found.expert_success:
        found.notes.append("no success was seen; give success=, or an info with 'success', where there is a goal")
    return found


def _state_returns(env: Env) -> bool:
    env.reset(seed=3)
    action = env.action_space.sample()
    before = env.state
    first = env.step(action)
    env.step(env.action_space.sample())
    env.state = before
    second = env.step(action)
    return bool(np.array_equal(first[0], second[0]) and first[1] == second[1])


def _measure(environment: Environment, found: Check) -> None:
    """Microseconds of processor time of a step by itself, and in a batch of the library: the least of five times."""
    rows, calls = 8, 40
    own, through = [], []
    raw, space = environment.make(), environment.action_space
    space.seed(0)
    actions = [space.sample() for _ in range(rows * calls)]
    spec = find(environment.registered_name)
    batch = call(lib.ml3_env_batch_new, spec.pointer, rows, 1, 0, True)
    start = getattr(space, "start", 0)
    flat = np.array([np.asarray(a, np.float64).reshape(-1) - start for a in actions], real).reshape(calls, rows, -1)
    obs, last = np.zeros((2, rows, spec.dim("obs")), real)
    reward, ended = np.zeros(rows, real), np.zeros((2, rows), np.bool_)
    into = [array.ctypes.data for array in (obs, reward, ended[0], ended[1], last)]
    try:
        lib.ml3_env_batch_reset_rows(batch, None, None, obs.ctypes.data)
        for _ in range(5):
            environment.begin(raw, 0)
            began = time.process_time()
            for action in actions:
                _, _, terminated, truncated, _ = raw.step(action)
                if terminated or truncated:
                    environment.begin(raw, 0)
            own.append((time.process_time() - began) / len(actions))
            began = time.process_time()
            for given in flat:
                call(lib.ml3_env_batch_step, batch, given.ctypes.data, *into)
            through.append((time.process_time() - began) / len(actions))
    finally:
        raw.close()
        lib.ml3_env_batch_free(batch)
    found.own_us = 1e6 * min(own)
    found.over_us = 1e6 * max(0.0, min(through) - min(own))
