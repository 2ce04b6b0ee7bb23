"""Solutions of 104 quadratic programmes in a box, by trying every set of bounds that may hold, for tests/test_boxqp.c:

    python3 tests/oracle/boxqp.py >tests/oracle/boxqp.json

     minimise  1/2 x' H x + g' x,  low <= x <= high;   H = M' M + e I

NumPy, float64. Every number comes from number(p, k) = sin(12.9898 (p + 1) + 78.233 (k + 1)), which the test computes too.
One solution of the 3^n sets meets the conditions of Karush, Kuhn and Tucker: within the bounds, its gradient 0 where it is
free, outwards where it is held. The last four are ill-conditioned; full projected Newton steps go round in circles there.
"""
import itertools
import json
import math
import sys

import numpy as np

PROBLEMS = [*range(100), 557, 9119, 10499, 11879]


def number(p, k):
    return math.sin(12.9898 * (p + 1) + 78.233 * (k + 1))


def problem(p):
    hard = p >= 100
    n = 3 + p % 6 if hard else 2 + p % 4
    vector = lambda first, size: np.array([number(p, first + i) for i in range(size)])
    m = vector(0, n * n).reshape(n, n)
    hessian = m.T @ m + (1e-5 if hard else 1e-3) * 10 ** (2 * number(p, 501)) * np.eye(n)
    gradient = 10 * vector(100, n) * vector(120, n) if hard else 3 * vector(100, n)
    return hessian, gradient, -1 - 0.9 * vector(200, n), 1 + 0.9 * vector(300, n)


def solve(hessian, gradient, low, high):
    best, violation = None, np.inf
    for held in itertools.product((-1, 0, 1), repeat=len(gradient)):
        held = np.array(held)
        free = held == 0
        x = np.where(held < 0, low, high)
        if free.any():
            right = gradient[free] + hessian[np.ix_(free, ~free)] @ x[~free]
            x[free] = np.linalg.solve(hessian[np.ix_(free, free)], -right)
        slope = hessian @ x + gradient
        wrong = max(np.max(low - x), np.max(x - high), np.max(np.where(free, 0, held * slope)), 0)
        if wrong < violation:
            best, violation = x, wrong
    assert violation < 1e-9, violation
    return best


def main():
    solutions = [[float(f"{v:.15g}") for v in solve(*problem(p))] for p in PROBLEMS]
    json.dump({"x": solutions}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
