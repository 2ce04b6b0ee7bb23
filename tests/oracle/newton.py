#!/usr/bin/env python3
"""Gauss-Newton steps of a learned loss with targets, and the meta-gradient through two of them, in float64.

    python3 newton.py >newton.json                # needs NumPy

A task has n rows x [3] and y [2]; the optimizee is a = tanh(W x + b), theta = (W [2, 3], b [2]); a row of features is
(a1, a2, x1, x2, x3). The loss of a row is 1/2 |a - h(x)|^2 + net(a, x), normalised inputs (f - shift) * scale for both
networks, one hidden layer of tanh each. phi = (net, h, log of the step size). With J = da/dtheta and g the gradient of the
loss's mean,

    A = J'J / n + 1e-3,    d = argmin over span{g, A g, .. A^(m-1) g} of 1/2 d'A d - g'd,    theta <- theta - rate d

which is what m iterations of conjugate gradients reach (Hestenes and Stiefel 1952); for m >= 8, all of A d = g, by a dense
solve. Derivatives by phi are complex steps (Squire and Trapp 1998), exact to rounding: everything here is analytic.
"""
import json

import numpy as np

N, X, A_DIM, HIDDEN = 6, 3, 2, 4
THETA = A_DIM * X + A_DIM
DAMPING = 1e-3
STEPS = 2


def split(phi):
    """net: W0 [4, 5], b0 [4], W1 [1, 4], b1 [1]; h: W0 [4, 3], b0 [4], W1 [2, 4], b1 [2]; log_rate."""
    parts, at = [], 0
    for shape in ((HIDDEN, A_DIM + X), (HIDDEN,), (1, HIDDEN), (1,), (HIDDEN, X), (HIDDEN,), (A_DIM, HIDDEN), (A_DIM,), (1,)):
        size = int(np.prod(shape))
        parts.append(phi[at:at + size].reshape(shape))
        at += size
    assert at == phi.size
    return parts


PHI = HIDDEN * (A_DIM + X) + HIDDEN + HIDDEN + 1 + HIDDEN * X + HIDDEN + A_DIM * HIDDEN + A_DIM + 1


def actions(theta, x):
    """a [n, 2] and its Jacobian [n, 2, 8]."""
    w, b = theta[:A_DIM * X].reshape(A_DIM, X), theta[A_DIM * X:]
    a = np.tanh(x @ w.T + b)
    jacobian = np.zeros((N, A_DIM, THETA), dtype=a.dtype)
    for j in range(A_DIM):
        slope = 1 - a[:, j] ** 2
        jacobian[:, j, j * X:(j + 1) * X] = slope[:, None] * x
        jacobian[:, j, A_DIM * X + j] = slope
    return a, jacobian


def gradient(theta, phi, x, shift, scale):
    """Value, gradient and A of the inner loss at theta."""
    w0, b0, w1, b1, v0, c0, v1, c1, _ = split(phi)
    a, jacobian = actions(theta, x)
    inputs = (np.concatenate([a, x], axis=1) - shift) * scale
    hidden = np.tanh(inputs @ w0.T + b0)
    value = hidden @ w1.T + b1
    by_a = (((1 - hidden ** 2) * w1) @ w0[:, :A_DIM]) * scale[:A_DIM]
    wanted = np.tanh(inputs[:, A_DIM:] @ v0.T + c0) @ v1.T + c1
    by_a = by_a + a - wanted
    total = np.sum(value[:, 0] + 0.5 * np.sum((a - wanted) ** 2, axis=1)) / N
    flat = jacobian.reshape(N * A_DIM, THETA)
    return total, flat.T @ by_a.reshape(-1) / N, flat.T @ flat / N + DAMPING * np.eye(THETA)


def direction(matrix, g, iterations):
    if iterations >= THETA:
        return np.linalg.solve(matrix, g)
    basis = [g / np.sqrt(g @ g)]
    for _ in range(iterations - 1):  # orthonormal, by Gram and Schmidt, twice; products without conjugates stay analytic
        new = matrix @ basis[-1]
        for old in 2 * basis:
            new = new - (old @ new) * old
        basis.append(new / np.sqrt(new @ new))
    k = np.stack(basis, axis=1)
    return k @ np.linalg.solve(k.T @ matrix @ k, k.T @ g)


def step(theta, phi, x, shift, scale, iterations):
    _, g, matrix = gradient(theta, phi, x, shift, scale)
    return theta - np.exp(split(phi)[-1][0]) * direction(matrix, g, iterations)


def task_loss(theta, x, y):
    a, _ = actions(theta, x)
    return np.sum((a - y) ** 2) / N


def objective(theta, phi, x, y, shift, scale, iterations):
    for _ in range(STEPS):
        theta = step(theta, phi, x, shift, scale, iterations)
    return task_loss(theta, x, y), theta


def main():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(N, X)) * [1.0, 0.6, 1.5], rng.uniform(-0.8, 0.8, size=(N, A_DIM))
    theta, phi = 0.4 * rng.normal(size=THETA), 0.5 * rng.normal(size=PHI)
    phi[-1] = np.log(0.7)
    shift, scale = 0.1 * np.arange(A_DIM + X) - 0.2, 1 + 0.2 * np.arange(A_DIM + X)
    value, g, matrix = gradient(theta, phi, x, shift, scale)
    cases = []
    for iterations in (1, 2, 3, 5, 12):
        loss, adapted = objective(theta, phi, x, y, shift, scale, iterations)
        meta = np.empty(PHI)
        for k in range(PHI):
            moved = phi.astype(complex)
            moved[k] += 1e-30j
            meta[k] = objective(theta, moved, x, y, shift, scale, iterations)[0].imag / 1e-30
        cases.append({"iterations": iterations, "theta_new": step(theta, phi, x, shift, scale, iterations).tolist(),
                      "theta_two": adapted.tolist(), "task_loss": float(loss), "meta_grad": meta.tolist()})
    print(json.dumps({"rows": N, "x": x.ravel().tolist(), "y": y.ravel().tolist(), "theta": theta.tolist(),
                      "phi": phi.tolist(), "shift": shift.tolist(), "scale": scale.tolist(), "inner_loss": float(value),
                      "inner_grad": g.tolist(), "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
