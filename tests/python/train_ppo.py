"""Some updates of a public PPO (Stable-Baselines3) on ml3's environments: it runs, and returns rise on the point mass."""
import sys

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import ml3  # registers the environments


def mean_return(model, name):
    return evaluate_policy(model, gymnasium.make(name), n_eval_episodes=40, warn=False)[0]


failed = False
for spec in ml3.library.specs():
    name = spec.gymnasium_id
    updates = 30 if spec.name == "pointmass" else 2
    model = PPO("MlpPolicy", make_vec_env(name, n_envs=8, seed=0), n_steps=128, batch_size=256, seed=0, device="cpu")
    first = mean_return(model, name)
    model.learn(total_timesteps=updates * 8 * 128)
    last = mean_return(model, name)
    finite = all(bool(np.isfinite(p.detach().numpy()).all()) for p in model.policy.parameters())
    rose = updates < 10 or last > first + 0.1 * abs(first)
    failed |= not (finite and rose)
    print(f"{'ok' if finite and rose else 'FAILED'} {name}: return {first:.2f} -> {last:.2f} after {updates} updates")
sys.exit(failed)
