"""Trains Stable-Baselines3's SAC with its own defaults, which are those of `ml3 train --set method=sac`, and prints one line of JSON.

Seconds are of the processor, of learning alone."""
import argparse
import json
import time

import gymnasium
from stable_baselines3 import SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

parser = argparse.ArgumentParser()
parser.add_argument("--environment", required=True, help="a Gymnasium id")
parser.add_argument("--steps", type=int, default=10000)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

model = SAC("MlpPolicy", gymnasium.make(options.environment), seed=options.seed, device="cpu")
begin = time.process_time()
model.learn(total_timesteps=options.steps)
seconds = time.process_time() - begin
judge = Monitor(gymnasium.make(options.environment))
judge.reset(seed=options.seed + 1000)
mean, _ = evaluate_policy(model, judge, n_eval_episodes=100, deterministic=True)
print(json.dumps({"method": "sb3", "environment": options.environment, "seed": options.seed, "return": float(mean),
                  "env_steps": options.steps, "gradient_steps_per_second": (options.steps - model.learning_starts) / seconds}))
