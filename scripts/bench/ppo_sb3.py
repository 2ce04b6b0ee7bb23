"""Trains Stable-Baselines3's PPO with the settings of `ml3 train --set method=ppo` and prints one line of JSON.

Seconds are of the processor. Normalised observations, orthogonal weights, clipped value, step size to 0 at the end: as ml3 has them."""
import argparse
import json
import time

import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

parser = argparse.ArgumentParser()
parser.add_argument("--environment", required=True, help="a Gymnasium id")
parser.add_argument("--updates", type=int, default=100)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
if options.environment.startswith("ml3/"):
    import ml3  # noqa: F401  (registers them)

ENVS, STEPS = 8, 256
envs = VecNormalize(make_vec_env(options.environment, n_envs=ENVS, seed=options.seed), norm_obs=True, norm_reward=False)
model = PPO("MlpPolicy", envs, n_steps=STEPS, batch_size=ENVS * STEPS // 32, n_epochs=10, gamma=0.99, gae_lambda=0.95,
            clip_range=0.2, clip_range_vf=0.2, ent_coef=0.0, vf_coef=0.5, max_grad_norm=0.5,
            learning_rate=lambda left: 3e-4 * left, policy_kwargs={"net_arch": [64, 64]}, seed=options.seed, device="cpu")
begin = time.process_time()
model.learn(total_timesteps=options.updates * ENVS * STEPS)
seconds = time.process_time() - begin
judge = VecNormalize(make_vec_env(options.environment, n_envs=1, seed=options.seed + 1000), training=False, norm_reward=False)
judge.obs_rms = envs.obs_rms
mean, _ = evaluate_policy(model, judge, n_eval_episodes=100, deterministic=True)
steps = options.updates * ENVS * STEPS
print(json.dumps({"method": "sb3", "environment": options.environment, "seed": options.seed, "return": float(mean),
                  "env_steps": steps, "env_steps_per_second": steps / seconds}))
