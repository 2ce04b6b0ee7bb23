#!/usr/bin/env python3
"""Fitting an ensemble (agents/ensemble_fit.c), by NumPy in float64: writes ensemble.json beside itself.

    x = ([s, u] - shift) scale, [mu, raw] = net(x), sigma^2 = softplus(raw) + least, y the normalised change
    loss: mean over rows of the sum over entries of 1/2 ((y - mu)^2 / sigma^2 + log sigma^2)

Member i leaves out the rows whose number is i modulo the parts (as many as members, at least 3; 5 for a single one), goes through
the others in batches whose order Fisher and Yates' shuffle draws from the stream (seed, BASELINE, i, 2 + epoch), and keeps the
parameters under which the rows left out were likeliest; it stops after `patience` epochs without better ones.
"""
import json, math, pathlib

import numpy as np

from philox import BASELINE, Stream


def layers(case):
    predicted = case["predicted"]
    return [case["inputs"], *case["hidden"], 2 * predicted]


def size_of(widths):
    return sum((n + 1) * m for n, m in zip(widths, widths[1:]))


def forward(theta, widths, x):
    """Outputs, and what the backward pass needs."""
    at, kept = 0, []
    for i, (n, m) in enumerate(zip(widths, widths[1:])):
        w, b = theta[at:at + m * n].reshape(m, n), theta[at + m * n:at + m * n + m]
        kept.append((at, w, x))
        at += m * n + m
        x = x @ w.T + b
        if i < len(widths) - 2: x = np.tanh(x)
    return x, kept


def split(case, out):
    p = case["predicted"]
    return out[:, :p], np.log1p(np.exp(out[:, p:])) + case["variance_min"]


def likelihood(case, theta, x, y):
    mu, variance = split(case, forward(theta, layers(case), x)[0])
    return 0.5 * ((y - mu) ** 2 / variance + np.log(variance)).sum() / len(x)


def gradient(case, theta, x, y):
    widths = layers(case)
    out, kept = forward(theta, widths, x)
    mu, variance = split(case, out)
    of_variance = 0.5 * (1 / variance - (y - mu) ** 2 / variance ** 2) / (1 + np.exp(-out[:, case["predicted"]:]))
    delta, g = np.concatenate([(mu - y) / variance, of_variance], 1) / len(x), np.zeros_like(theta)
    for i in reversed(range(len(kept))):
        at, w, before = kept[i]
        g[at:at + w.size] = (delta.T @ before).ravel()
        g[at + w.size:at + w.size + len(w)] = delta.sum(0)
        delta = delta @ w * (1 - before ** 2)
    return g


def fit(case, member, theta, x, y):
    n, parts, batch = len(x), case["parts"], case["batch"]
    order = [i for i in range(n) if i % parts != member % parts]
    held = [i for i in range(n) if i % parts == member % parts]
    judge = lambda t: (likelihood(case, t, x[held], y[held]),
                       math.sqrt(((split(case, forward(t, layers(case), x[held])[0])[0] - y[held]) ** 2).sum()
                                 / len(held) / case["predicted"]))
    m, v, t, since, epochs = 0 * theta, 0 * theta, 0, 0, 0
    (best, error), kept, nearest = judge(theta), theta.copy(), math.inf
    while epochs < case["epochs"] and since < case["patience"]:
        stream = Stream(case["seed"], BASELINE, member, 2 + epochs)
        for i in range(len(order) - 1, 0, -1):
            j = stream.below(i + 1)
            order[i], order[j] = order[j], order[i]
        for at in range(0, len(order), batch):
            rows = order[at:at + batch]
            g = gradient(case, theta, x[rows], y[rows])
            t += 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            theta = theta - case["rate"] * (m / (1 - 0.9 ** t)) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
        epochs += 1
        loss, now = judge(theta)
        since += 1
        nearest = min(nearest, abs(loss - best))
        if loss < best: best, error, kept, since = loss, now, theta.copy(), 0
    assert nearest > 1e-4, nearest  # float decides alike
    assert since > 0, "the last parameters are the best: the case does not tell what is kept"
    return kept, epochs, best, error


def normalization(columns):
    deviation = columns.std(0)
    return columns.mean(0), 1 / np.where(deviation > 1e-8, deviation, 1)


def run(case, state, action, following):
    moving, p = case["moving"], case["predicted"]
    case["inputs"] = len(moving) + action.shape[1]
    raw = np.concatenate([state[:, moving], action], 1)
    change = (following - state)[:, moving[-p:]]
    (shift, scale), (out_shift, out_scale) = normalization(raw), normalization(change)
    x, y = (raw - shift) * scale, (change - out_shift) * out_scale
    size = size_of(layers(case))
    start = case["start_scale"] * np.sin(np.arange(1, case["members"] * size + 1))

    theta, e = start[:size], 1e-7 * np.eye(size)  # the gradient beside differences
    numeric = [(likelihood(case, theta + d, x, y) - likelihood(case, theta - d, x, y)) / 2e-7 for d in e]
    assert np.allclose(numeric, gradient(case, theta, x, y), atol=1e-7)

    fitted = [fit(case, i, start[i * size:(i + 1) * size], x, y) for i in range(case["members"])]
    context = np.concatenate([*(f[0] for f in fitted), shift, scale, out_shift, out_scale])
    at = np.array(case["at_state"])
    inputs = (np.concatenate([at[moving], case["at_action"]]) - shift) * scale
    means = [forward(f[0], layers(case), inputs[None])[0][0, :p] / out_scale + out_shift for f in fitted]
    after = at.copy()
    if case["second_order"]:
        after[moving[p:]] += np.mean(means, 0)
        after[moving[:p]] += case["dt"] * after[moving[p:]]
    else:
        after[moving] += np.mean(means, 0)
    return {**case, "states": state.ravel().tolist(), "actions": action.ravel().tolist(), "next": following.ravel().tolist(),
            "context": context.tolist(), "fitted_epochs": [f[1] for f in fitted], "held_out": [f[2] for f in fitted],
            "error": [f[3] for f in fitted], "after": after.tolist()}


def mountain_car(rng):
    case = {"environment": "mountain_car", "members": 3, "parts": 3, "hidden": [6], "predicted": 2, "second_order": False,
            "moving": [0, 1], "batch": 8, "epochs": 60, "patience": 5, "rate": 0.02, "seed": 7, "variance_min": 1e-2,
            "start_scale": 0.5, "at_state": [-0.5, 0.05], "at_action": [0.2]}
    s, u = rng.uniform([-0.9, -0.4], [0.1, 0.4], (31, 2)), rng.uniform(-0.25, 0.25, (31, 1))
    v = s[:, 1] + 0.1 * (-1.96 * np.cos(3 * s[:, 0]) + 5 * u[:, 0] - 0.3 * s[:, 1]) + 0.05 * rng.normal(size=31)
    return run(case, s, u, np.stack([s[:, 0] + 0.1 * v, v], 1))


def reacher(rng):
    """Second order; the target's entries of the state do not move."""
    case = {"environment": "reacher", "members": 4, "parts": 4, "hidden": [5, 3], "predicted": 2, "second_order": True,
            "moving": [0, 1, 4, 5], "dt": 0.02, "batch": 7, "epochs": 40, "patience": 4, "rate": 0.02, "seed": 1 << 33,
            "variance_min": 1e-3, "start_scale": 0.4, "at_state": [0.3, -0.4, 0.1, -0.05, 0.8, -0.6, 0, 0], "at_action": [0.3, -0.2]}
    n = 26
    s, u = rng.normal(0, [1, 1, 0, 0, 3, 3, 0, 0], (n, 8)), rng.uniform(-1, 1, (n, 2))
    s[:, 2:4] = [0.1, -0.05]
    after = s.copy()
    after[:, 4:6] = 0.95 * s[:, 4:6] + u @ [[1, -0.4], [-0.3, 2]] + 0.1 * np.sin(s[:, :2]) + 0.1 * rng.normal(size=(n, 2))
    after[:, :2] += 0.02 * after[:, 4:6]
    return run(case, s, u, after)


cases = [mountain_car(np.random.default_rng(3)), reacher(np.random.default_rng(1))]
pathlib.Path(__file__).with_name("ensemble.json").write_text(json.dumps(cases, indent=1) + "\n")
