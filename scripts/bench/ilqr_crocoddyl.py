"""Two swing-ups solved by Crocoddyl (PyPI: crocoddyl, with Pinocchio): costs of the optimum and time an iteration.

    pendulum   envs/pendulum.c: one joint of Pinocchio, all in compiled code, torque limits (SolverBoxDDP, SolverBoxFDDP)
    cartpole   the cart-pole of Crocoddyl's tutorial, its model in Python (SolverFDDP)

Each problem is solved from several starts; the least cost found is the reference that tests/test_ilqr_published.c records.
Prints a line of JSON for each start and solver; --time N: the pendulum from zero controls alone, N times, the least time.
    python3 scripts/bench/ilqr_crocoddyl.py [pendulum] [cartpole] [--time N]

Crocoddyl 3.1.0 wants what it was built with:
    pip install crocoddyl==3.1.0 pin==3.8.0 libpinocchio==3.8.0 'cmeel-urdfdom<5' 'cmeel-tinyxml2<11'
(with Pinocchio 4.1, which pip takes by itself for 3.2.1, its forward dynamics leave gravity out and compute from memory
that was never written).
"""
import json
import sys
import time

import crocoddyl
import numpy as np
import pinocchio

PENDULUM = dict(dt=0.05, horizon=100, torque=3.0, weights=(1.0, 0.1), action=0.01, final=100.0)


def pendulum_problem():
    """m = l = 1, g = 9.81, no damping, from hanging at rest; cost dt/2 (w (s - goal)^2 + 0.01 u^2), 100/2 w (s_T - goal)^2."""
    model = pinocchio.Model()
    joint = model.addJoint(0, pinocchio.JointModelRY(), pinocchio.SE3.Identity(), "hinge")
    bob = pinocchio.Inertia(1.0, np.array([0.0, 0.0, -1.0]), np.zeros((3, 3)))
    model.appendBodyToJoint(joint, bob, pinocchio.SE3.Identity())
    model.gravity = pinocchio.Motion(np.array([0, 0, -9.81, 0, 0, 0]))
    state = crocoddyl.StateMultibody(model)
    actuation = crocoddyl.ActuationModelFull(state)
    goal = np.array([np.pi, 0.0])
    weights = crocoddyl.ActivationModelWeightedQuad(np.array(PENDULUM["weights"]))
    track = crocoddyl.CostModelResidual(state, weights, crocoddyl.ResidualModelState(state, goal, 1))
    energy = crocoddyl.CostModelResidual(state, crocoddyl.ResidualModelControl(state, 1))
    running, terminal = crocoddyl.CostModelSum(state, 1), crocoddyl.CostModelSum(state, 1)
    running.addCost("track", track, 1.0)
    running.addCost("energy", energy, PENDULUM["action"])
    terminal.addCost("track", track, PENDULUM["final"])
    differential = crocoddyl.DifferentialActionModelFreeFwdDynamics
    step = crocoddyl.IntegratedActionModelEuler(differential(state, actuation, running), PENDULUM["dt"])
    end = crocoddyl.IntegratedActionModelEuler(differential(state, actuation, terminal), 0.0)
    step.u_lb, step.u_ub = np.array([-PENDULUM["torque"]]), np.array([PENDULUM["torque"]])
    return crocoddyl.ShootingProblem(np.zeros(2), [step] * PENDULUM["horizon"], end)


class Cartpole(crocoddyl.DifferentialActionModelAbstract):
    """m1 1, m2 0.1, l 0.5, g 9.81; residuals sin, 1 - cos, x, x', th', f, weighted."""

    def __init__(self, weights):
        super().__init__(crocoddyl.StateVector(4), 1, 6)
        self.weights = np.array(weights)

    def calc(self, data, x, u=None):
        y, th, ydot, thdot = x
        f = 0.0 if u is None or len(u) == 0 else u[0]
        m1, m2, l, g = 1.0, 0.1, 0.5, 9.81
        s, c = np.sin(th), np.cos(th)
        m, mu = m1 + m2, m1 + m2 * s * s
        data.xout = np.array([(f + m2 * c * s * g - m2 * l * s * thdot**2) / mu,
                              (c * f / l + m * g * s / l - m2 * c * s * thdot**2) / mu])
        data.r = self.weights * np.array([s, 1 - c, y, ydot, thdot, f])
        data.cost = 0.5 * float(data.r @ data.r)

    def calcDiff(self, data, x, u=None):
        pass


def cartpole_problem():
    def integrated(weights, dt):
        exact = Cartpole(weights)
        cartpole = crocoddyl.DifferentialActionModelNumDiff(exact, True)
        return crocoddyl.IntegratedActionModelEuler(cartpole, dt), exact

    step, keep_step = integrated([1.0, 1.0, 0.1, 0.001, 0.001, 1.0], 0.05)
    end, keep_end = integrated([100.0, 100.0, 1.0, 0.1, 0.01, 0.0001], 0.0)
    problem = crocoddyl.ShootingProblem(np.array([0.0, 3.14, 0.0, 0.0]), [step] * 50, end)
    return problem, (keep_step, keep_end)


def solve(name, problem, solver_kind, start, label):
    solver = solver_kind(problem)
    solver.th_stop = 1e-12
    us = [np.array([u]) for u in start]
    began = time.perf_counter()
    done = solver.solve(problem.rollout(us), us, 2000, False)
    seconds = time.perf_counter() - began
    print(json.dumps({"problem": name, "solver": solver_kind.__name__, "start": label, "converged": bool(done),
                      "cost": solver.cost, "iterations": solver.iter, "us_iteration": 1e6 * seconds / max(1, solver.iter)}),
          flush=True)
    return solver.cost if np.isfinite(solver.cost) else np.inf


def starts(horizon, limit):
    t = np.arange(horizon)
    yield "zero", np.zeros(horizon)
    for period in (20, 40):
        yield f"sine of {period}", limit * np.sin(2 * np.pi * t / period)
    generator = np.random.default_rng(0)
    for i in range(2):
        yield f"random {i}", generator.uniform(-limit, limit, horizon)


def time_pendulum(repeats):
    """From zero controls, as `ml3 plan pendulum_swing_up` with the same weights does."""
    problem = pendulum_problem()
    us = [np.zeros(1)] * PENDULUM["horizon"]
    for kind in (crocoddyl.SolverBoxDDP, crocoddyl.SolverBoxFDDP):
        least = np.inf
        for _ in range(repeats):
            solver = kind(problem)
            xs = problem.rollout(us)
            began = time.perf_counter()
            solver.solve(xs, us, 2000, False)
            least = min(least, time.perf_counter() - began)
        print(json.dumps({"engine": f"crocoddyl {kind.__name__}", "problem": "pendulum_swing_up", "horizon": PENDULUM["horizon"],
                          "threads": 1, "cost": solver.cost, "iterations": solver.iter,
                          "us_iteration": 1e6 * least / solver.iter}))


def main(names):
    if "pendulum" in names:
        problem = pendulum_problem()
        best = min(solve("pendulum", problem, kind, start, label)
                   for kind in (crocoddyl.SolverBoxDDP, crocoddyl.SolverBoxFDDP)
                   for label, start in starts(PENDULUM["horizon"], PENDULUM["torque"]))
        print(json.dumps({"problem": "pendulum_swing_up", "best": best}))
    if "cartpole" in names:
        problem, keep = cartpole_problem()
        best = min(solve("cartpole", problem, crocoddyl.SolverFDDP, start, label) for label, start in starts(50, 5.0))
        print(json.dumps({"problem": "cartpole", "best": best}))


if __name__ == "__main__":
    if "--time" in sys.argv:
        time_pendulum(int(sys.argv[sys.argv.index("--time") + 1]))
    else:
        main(sys.argv[1:] or ["pendulum", "cartpole"])
