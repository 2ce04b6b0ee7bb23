#!/usr/bin/env python3
"""The meta-gradient of the mountain car from several starts, by NumPy in float64: writes mc_starts.json beside itself.

Derivatives are complex steps (Squire and Trapp 1998), exact to rounding:

    inner loss   L(theta, phi) = mean over time steps and starts of net_phi([p, v, u, r]), r = ||s_H - goal|| of that start, data
    task loss    mean over starts of ||S_{0..14} - extra goal||_F + mean over starts of ||S_{15..H} - goal||_F
    theta'       theta - rate dL/dtheta
    meta         d task loss(theta') / d phi = -rate d/dphi (v . dL/dtheta), v the gradient of the task loss at theta'

Clamps of position and velocity act on values alone, as in agents/dynamics_mountain_car.c.
"""
import json, math, pathlib

import numpy as np

STARTS = np.array([[-0.55, 0.0], [-0.45, 0.04], [-0.6, -0.05]])
GOAL, EXTRA, UNTIL, H, RATE = np.array([0.5, 1.0375]), np.array([-0.947, -0.0055]), 15, 35, 0.5
DIMS, HIDDEN, STEP = [4, 16, 16, 1], 8, 1e-30


def kept(z, low, high):
    return np.clip(z.real, low, high) + 1j * z.imag


def rollout(theta):
    """States [H + 1][starts][2] and actions [H][starts] of a linear 2-8-1 policy."""
    w1, w2 = theta[:2 * HIDDEN].reshape(HIDDEN, 2), theta[2 * HIDDEN:]
    s, states, actions = STARTS.astype(complex), [STARTS.astype(complex)], []
    for _ in range(H):
        u = s @ w1.T @ w2
        assert np.abs(u.real).max() < 0.25  # within the action's bounds
        p, v = s[:, 0], s[:, 1]
        v = v + (-1.96 * np.cos(3 * p) + u / 0.2 - 0.3 * v) * 0.1
        p = p + 0.1 * v
        v, p = kept(v, -1.5, 1.5), kept(p, -1.2, 0.5)
        assert p.real.min() > -1.2
        s = np.stack([p, v], 1)
        states.append(s), actions.append(u)
    return np.array(states), np.array(actions)


def features(theta):
    s, u = rollout(theta)
    r = np.linalg.norm(s[-1].real - GOAL, axis=1)
    return np.stack([s[:-1, :, 0], s[:-1, :, 1], u, np.broadcast_to(r, u.shape)], 2).reshape(-1, 4)


def network(phi, x, dx):
    """Mean value of net_phi over rows x, and its derivative when the rows move by dx."""
    at = 0
    for i, (n, m) in enumerate(zip(DIMS, DIMS[1:])):
        w, b = phi[at:at + m * n].reshape(m, n), phi[at + m * n:at + m * n + m]
        at += m * n + m
        x, dx = x @ w.T + b, dx @ w.T
        if i < len(DIMS) - 2:  # elu
            dx = dx * np.where(x.real > 0, 1, np.exp(x))
            x = np.where(x.real > 0, x, np.exp(x) - 1)
    return x.mean(), dx.mean()


def inner(theta, phi):
    f = features(theta)
    return network(phi, f, 0 * f)[0]


def task(theta):
    s, _ = rollout(theta)
    norm = lambda off: np.sqrt((off ** 2).sum((0, 2))).mean()
    return norm(s[:UNTIL] - EXTRA) + norm(s[UNTIL:] - GOAL)


def gradient(f, x):
    """Of a function of complex numbers at a real x."""
    return np.array([f(x + 1j * STEP * e).imag / STEP for e in np.eye(len(x))])


def vector(x):
    return {"n": len(x), "norm": float(np.linalg.norm(x)), "all": [float(v) for v in x]}


def main():
    theta = 0.5 * np.sin(np.arange(1, 3 * HIDDEN + 1))
    size = sum((n + 1) * m for n, m in zip(DIMS, DIMS[1:]))
    phi = 0.3 * np.sin(np.arange(1, size + 1))
    slope = gradient(lambda t: inner(t, phi), theta)
    stepped = theta - RATE * slope
    v = gradient(task, stepped)
    moved = features(theta + 1j * STEP * v)
    rows, moves = moved.real, moved.imag / STEP
    meta = -RATE * gradient(lambda p: network(p, rows, moves)[1], phi)

    for k in (0, 100, 368):  # beside plain differences
        e = 1e-4 * np.eye(size)[k]
        end = lambda p: task(theta - RATE * gradient(lambda t: inner(t, p), theta)).real
        assert abs((end(phi + e) - end(phi - e)) / 2e-4 - meta[k]) < 1e-7 * np.linalg.norm(meta)

    config = {"policy": [2, HIDDEN, 1], "policy_scale": 0.5, "policy_offset": 0, "loss_dims": DIMS, "loss_scale": 0.3, "loss_offset": 0,
              "lr": RATE, "starts": len(STARTS), "s0": STARTS.ravel().tolist(), "goal": GOAL.tolist(), "goal_extra": EXTRA.tolist(),
              "shaped": True, "n_phi": size}
    result = {"case": "mc_starts", "config": config, "inner_loss": float(inner(theta, phi).real), "inner_grad": vector(slope),
              "theta_new": vector(stepped), "task_loss": float(task(stepped).real), "meta_grad": vector(meta)}
    pathlib.Path(__file__).with_name("mc_starts.json").write_text(json.dumps(result, indent=1) + "\n")


main()
