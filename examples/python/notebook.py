"""A loss is learned in an environment of Gymnasium, teaches fresh policies, and goes to PyTorch: a notebook's cells, one after the other.

    pip install ml3[torch] matplotlib
    python examples/python/notebook.py [FOLDER]
"""
import sys

import matplotlib.pyplot as plt
import numpy as np
import torch

import ml3

# An environment, and what works there.
env = ml3.Environment("CartPole-v1", horizon=200)
print(env.check())

# A loss is learned: it sees the logarithm of an action's probability and the action's advantage, nothing of the cart.
folder = sys.argv[1] if len(sys.argv) > 1 else "runs/notebook"
settings = {
    "problem": "model_free",
    "policy": {"hidden": [16], "obs_scale": [1, 1, 5, 1], "normalize": False},
    "loss": {"inputs": ["log_prob", "credit"], "hidden": [16]},
    "inner": {"steps": 3, "rate": 0.5},
    "outer": {"steps": 15, "tasks": 4, "rate": 0.01},
    "validation": {"every": 5, "steps": 5, "tasks": 4},
}
run = ml3.train(env, set=settings, seed=0, output=folder)

# Fresh policies learn by it, eight episodes an update, as many updates as it was validated with.
learners = [ml3.Learner(run, env, task=k).learn(updates=5) for k in range(8)]
returns = np.array([[record.values["return"] for record in learner.history] for learner in learners])
print("mean return before each update and at the end:", returns.mean(axis=0).round(1).tolist())

# Both as curves.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
left.plot(*run.metrics.points("charts/episodic_return"), marker="o")
left.set(xlabel="outer step", ylabel="return after 5 updates", title="learning the loss")
right.plot(returns.T, color="tab:blue", alpha=0.25)
right.plot(returns.mean(axis=0), color="tab:blue", marker="o")
right.set(xlabel="update", title="eight fresh policies learn by it, and their mean")
figure.savefig(run.path / "notebook.png", dpi=120, bbox_inches="tight")

# Loss and policy in PyTorch: the same numbers, for a training loop of your own.
best = learners[returns[:, -1].argmax()]
loss, policy = run.loss().torch(), best.policy.torch()
logits = policy(torch.tensor([[0.0, 0.1, 0.02, 0.0]]))
print("logits in PyTorch:", logits.tolist(), "- choice in NumPy:", best.predict([0.0, 0.1, 0.02, 0.0]))
print("loss of an action that did well:", loss({"log_prob": logits.log_softmax(-1)[:, 1], "credit": torch.ones(1)}).item())
torch.save(policy.state_dict(), run.path / "policy.pt")
