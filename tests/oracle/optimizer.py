#!/usr/bin/env python3
"""Optimizers with schedules, warm-up and clipping over 40 updates, in float64.

    python3 optimizer.py >optimizer.json          # needs NumPy

Parameters begin at cos(0.9 k), k = 0 .. 10; the gradient at update t = 0 .. 39 is

    g_k = 0.3 p_k + (1 + t mod 3) sin(0.7 k + 1.3 t + 0.2) + 4 [t = 5 mod 13] cos(k)

so that an early mistake changes all that follows. The rules are those of the papers: Adam (Kingma and Ba 2015, algorithm 1),
AdamW (Loshchilov and Hutter 2019, algorithm 2: weights decay by rate times weight_decay beside the step, not through its
moments), momentum v <- beta v + g (Polyak's, as in PyTorch), clipping g min(1, c / (|g| + 1e-6)) by the norm of all entries,
linear warm-up from rate / warmup to rate in `warmup` updates, then constant, linear or half a cosine to final_rate at
total_steps, and final_rate behind it.
"""
import json

import numpy as np

SIZE, UPDATES = 11, 40


def rate_at(case, t):
    warmup, rate, final = case.get("warmup", 0), case["rate"], case.get("final_rate", 0.0)
    if t < warmup:
        return rate * (t + 1) / warmup
    if case["schedule"] == "constant":
        return rate
    along = min(1.0, (t - warmup) / (case["total"] - warmup))
    remaining = 1 - along if case["schedule"] == "linear" else (1 + np.cos(np.pi * along)) / 2
    return final + (rate - final) * remaining


def gradient(p, t):
    k = np.arange(SIZE)
    return 0.3 * p + (1 + t % 3) * np.sin(0.7 * k + 1.3 * t + 0.2) + 4.0 * (t % 13 == 5) * np.cos(k)


def run(case):
    p, m, v = np.cos(0.9 * np.arange(SIZE)), np.zeros(SIZE), np.zeros(SIZE)
    beta1, beta2, epsilon = case.get("beta1", 0.9), case.get("beta2", 0.999), case.get("epsilon", 1e-8)
    rows = []
    for t in range(UPDATES):
        g, rate = gradient(p, t), rate_at(case, t)
        norm = np.sqrt(np.sum(g * g))
        if case.get("clip", 0) > 0:
            g = g * min(1.0, case["clip"] / (norm + 1e-6))
        if case["kind"] == "sgd":
            p = p - rate * g
        elif case["kind"] == "momentum":
            m = beta1 * m + g
            p = p - rate * m
        else:
            p = p - rate * case.get("decay", 0.0) * p
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            p = p - rate * (m / (1 - beta1 ** (t + 1))) / (np.sqrt(v / (1 - beta2 ** (t + 1))) + epsilon)
        if t + 1 in (1, 3, 7, 20, UPDATES):
            rows.append({"updates": t + 1, "rate": rate, "norm": norm, "parameters": p.tolist()})
    return rows


CASES = [
    {"kind": "sgd", "schedule": "constant", "rate": 0.05},
    {"kind": "sgd", "schedule": "linear", "rate": 0.05, "final_rate": 0.005, "total": 30, "clip": 2.0},
    {"kind": "momentum", "schedule": "constant", "rate": 0.02, "beta1": 0.8},
    {"kind": "momentum", "schedule": "cosine", "rate": 0.03, "beta1": 0.9, "total": 40, "warmup": 5, "clip": 1.0},
    {"kind": "adam", "schedule": "constant", "rate": 0.01},
    {"kind": "adam", "schedule": "cosine", "rate": 0.02, "final_rate": 0.001, "total": 36, "warmup": 4, "clip": 3.0},
    {"kind": "adam", "schedule": "linear", "rate": 0.02, "total": 25, "warmup": 1, "beta1": 0.5, "beta2": 0.9,
     "epsilon": 1e-3},
    {"kind": "adam", "schedule": "constant", "rate": 0.02, "warmup": 10, "beta1": 0.0, "clip": 0.5},
    {"kind": "adamw", "schedule": "constant", "rate": 0.01, "decay": 0.1},
    {"kind": "adamw", "schedule": "linear", "rate": 0.02, "final_rate": 0.002, "total": 40, "decay": 0.5, "clip": 1.0},
    {"kind": "adamw", "schedule": "cosine", "rate": 0.03, "total": 30, "warmup": 6, "decay": 0.2},
]

if __name__ == "__main__":
    print(json.dumps([{**case, "rows": run(case)} for case in CASES], indent=1))
