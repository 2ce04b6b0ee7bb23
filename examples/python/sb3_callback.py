"""A learned loss in Stable-Baselines3: a callback takes steps down it after every rollout, beside PPO's own updates.

    pip install ml3[torch] stable-baselines3
    python examples/python/sb3_callback.py
"""
import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy

import ml3

SCALE = np.array([0.1, 40.0], np.float32)  # of the observation, as the policies had it that the loss was learned on


class LearnedLoss(BaseCallback):
    """Steps down a learned loss on the rollouts that PPO has collected, by the policy's own parameters."""

    def __init__(self, loss, steps=1):
        super().__init__()
        self.loss, self.steps = loss, steps

    def _on_training_start(self):
        """The loss was learned on policies without biases: they are 0, and it does not move them."""
        actor = {name: p for name, p in self.model.policy.named_parameters() if "value" not in name and name != "log_std"}
        for name, p in actor.items():
            if name.endswith("bias"):
                torch.nn.init.zeros_(p)
        self.optimizer = torch.optim.SGD([p for name, p in actor.items() if name.endswith("weight")], lr=self.loss.rate)

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        scaled = torch.as_tensor(buffer.observations[:, 0])
        position, velocity = (scaled / torch.as_tensor(SCALE)).T
        ends = np.append(np.flatnonzero(buffer.episode_starts[1:, 0]), len(position) - 1)  # the last step of each episode
        last = ends[np.searchsorted(ends, np.arange(len(position)))]
        away = (0.45 - position[last]).clamp(min=0)
        for _ in range(self.steps):
            force = torch.tanh(self.model.policy.get_distribution(scaled).distribution.mean[:, 0])
            value = self.loss({"position": position, "velocity": velocity, "force": force, "final_distance": away})
            self.optimizer.zero_grad()
            value.backward()
            self.optimizer.step()
        self.logger.record("ml3/loss", value.item())


def make():
    env = gymnasium.make("MountainCarContinuous-v0", max_episode_steps=200)
    space = gymnasium.spaces.Box(env.observation_space.low * SCALE, env.observation_space.high * SCALE)
    return gymnasium.wrappers.TransformObservation(env, lambda obs: obs * SCALE, space)


def train(callback, updates=8):
    network = {"net_arch": {"pi": [200], "vf": [64, 64]}, "activation_fn": torch.nn.Identity, "log_std_init": -1.0, "ortho_init": False}
    model = PPO("MlpPolicy", make(), n_steps=200, batch_size=200, seed=0, device="cpu", policy_kwargs=network)
    model.learn(updates * 200, callback=callback)
    return evaluate_policy(model, make(), n_eval_episodes=5, warn=False)[0]


if __name__ == "__main__":
    loss = ml3.load_loss("zoo:mountain_car_continuous").torch()
    print(f"PPO alone, 1,600 steps: return {train(None):.1f}")
    print(f"PPO with the learned loss: return {train(LearnedLoss(loss)):.1f}")
