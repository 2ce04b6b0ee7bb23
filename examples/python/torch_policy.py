"""A PyTorch policy of your own learns Gymnasium's mountain car by a learned loss: five updates, no reward, no value function.

    pip install ml3[torch]
    python examples/python/torch_policy.py
"""
import gymnasium
import torch

import ml3

loss = ml3.load_loss("zoo:mountain_car_continuous").torch()  # it sees position, velocity, force, final_distance
env = gymnasium.make("MountainCarContinuous-v0")
torch.manual_seed(0)
policy = torch.nn.Sequential(torch.nn.Linear(2, 200, bias=False), torch.nn.Linear(200, 1, bias=False), torch.nn.Tanh())
optimizer = torch.optim.SGD(policy.parameters(), lr=loss.rate)
scale = torch.tensor([0.1, 40.0])  # of the observation, as the policies had it that the loss was learned on

for update in range(6):
    obs, states, total = env.reset(seed=update)[0], [], 0.0
    for _ in range(200):
        states.append(torch.as_tensor(obs))
        obs, reward, terminated, *_ = env.step(policy(states[-1] * scale).detach().numpy())
        total += reward
        if terminated:
            break
    print(f"after {update} updates: return {total:.1f}" + (", at the flag" if terminated else ""))
    states = torch.stack(states)
    away = torch.full((len(states),), max(0.45 - float(obs[0]), 0.0))
    force = policy(states * scale)[:, 0]
    value = loss({"position": states[:, 0], "velocity": states[:, 1], "force": force, "final_distance": away})
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
