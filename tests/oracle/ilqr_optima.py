"""The least cost of 180 small control problems with bounded actions, by ipopt (PyPI: casadi), for tests/test_ilqr_optima.c:

    python3 tests/oracle/ilqr_optima.py >tests/oracle/ilqr_optima.json

     minimise  sum_t 1/2 (s_t - g)' W (s_t - g) + 1/2 u_t' R u_t  +  1/2 f (s_T - g)' W (s_T - g),   low <= u_t <= high
     s'_i = (A s)_i + (B u)_i + c 0.05 (1 + v_k) tanh s_j,   j = i + 1 mod n, k = i mod m;   c: 0 or 1;
     v = (2 u - low - high) / (high - low)

Every number comes from number(p, k) = sin(12.9898 (p + 1) + 78.233 (k + 1)), which the test computes too, so that the file holds
nothing but c and the optima. c is 1 in problems of odd number, but 0 where ipopt found several optima from four starts: all
problems have one.
"""
import json
import math
import sys

import casadi
import numpy as np

PROBLEMS = 180


def number(p, k):
    return math.sin(12.9898 * (p + 1) + 78.233 * (k + 1))


def problem(p):
    n, m, horizon = 1 + p % 4, 1 + p // 4 % 3, 3 + p % 18
    vector = lambda first, size: np.array([number(p, first + i) for i in range(size)])
    width = 10 ** vector(220, m)
    middle = 0.3 * vector(260, m) * width
    return dict(n=n, m=m, horizon=horizon, curved=p % 2,
                a=np.eye(n) + 0.25 / n * vector(0, n * n).reshape(n, n), b=0.5 * vector(100, n * m).reshape(n, m),
                weight=10 ** vector(200, n), energy=10 ** (1.5 * vector(210, m) - 1.5), final=10 ** (1 + number(p, 215)),
                low=middle - width, high=middle + width, goal=1.5 * vector(230, n), start=2 * vector(240, n))


def step(q, s, u):
    linear = casadi.mtimes(casadi.DM(q["a"]), s) + casadi.mtimes(casadi.DM(q["b"]), u)
    v = (2 * u - casadi.DM(q["low"] + q["high"])) / casadi.DM(q["high"] - q["low"])
    after = [s[(i + 1) % q["n"]] for i in range(q["n"])]
    curved = [0.05 * (1 + v[i % q["m"]]) * casadi.tanh(x) for i, x in enumerate(after)]
    return linear + q["curved"] * casadi.vertcat(*curved)


def optimum(q, first):
    n, m, horizon = q["n"], q["m"], q["horizon"]
    s, u = casadi.SX.sym("s", n, horizon + 1), casadi.SX.sym("u", m, horizon)
    away = lambda t: casadi.dot(casadi.DM(q["weight"]), (s[:, t] - casadi.DM(q["goal"])) ** 2)
    cost, gaps = 0.5 * q["final"] * away(horizon), [s[:, 0] - casadi.DM(q["start"])]
    for t in range(horizon):
        cost += 0.5 * away(t) + 0.5 * casadi.dot(casadi.DM(q["energy"]), u[:, t] ** 2)
        gaps.append(s[:, t + 1] - step(q, s[:, t], u[:, t]))
    x = casadi.vertcat(casadi.vec(s), casadi.vec(u))
    options = {"ipopt.print_level": 0, "print_time": 0, "ipopt.tol": 1e-12, "ipopt.bound_relax_factor": 0.0,
               "ipopt.mu_target": 0.0, "ipopt.acceptable_tol": 1e-12, "ipopt.max_iter": 3000, "ipopt.sb": "yes",
               "ipopt.compl_inf_tol": 1e-12, "ipopt.dual_inf_tol": 1e-8, "ipopt.constr_viol_tol": 1e-12}
    solver = casadi.nlpsol("solver", "ipopt", {"x": x, "f": cost, "g": casadi.vertcat(*gaps)}, options)
    free = np.full(n * (horizon + 1), np.inf)
    states = np.tile(q["start"], horizon + 1)
    actions = np.clip(first, 0, 1) * (np.tile(q["high"] - q["low"], horizon)) + np.tile(q["low"], horizon)
    found = solver(x0=np.concatenate([states, actions]), lbg=0, ubg=0,
                   lbx=np.concatenate([-free, np.tile(q["low"], horizon)]),
                   ubx=np.concatenate([free, np.tile(q["high"], horizon)]))
    return float(found["f"]), solver.stats()["success"]


def optima(q, p):
    """What ipopt finds from four starts, least first."""
    size = q["m"] * q["horizon"]
    random = np.random.default_rng(p)
    found = [optimum(q, start) for start in (np.zeros(size), np.ones(size), np.full(size, 0.5), random.random(size))]
    values = sorted(value for value, good in found if good)
    assert len(values) >= 2, f"problem {p}: ipopt came to no optimum"
    return values


def main():
    least, curved = [], []
    for p in range(PROBLEMS):
        q = problem(p)
        values = optima(q, p)
        if q["curved"] and values[-1] - values[0] > 1e-8 * values[0]:
            q["curved"] = 0
            values = optima(q, p)
        assert values[-1] - values[0] <= 1e-8 * values[0], f"problem {p}: {values}"
        least.append(float(f"{values[0]:.14g}"))
        curved.append(q["curved"])
    json.dump({"curved": curved, "optimum": least}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
