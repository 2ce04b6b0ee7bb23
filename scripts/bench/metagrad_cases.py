"""The numbers of the meta-gradient benchmark, and what both Python implementations share: options, timing, output.

Every parameter is scale * sin(k + 1 + offset), k the flat index (layer by layer, weight [out, in] row-major, then
bias). README.md beside this file defines all of them; `Case` holds them.
"""

import argparse
import dataclasses
import json
import math
import os
import sys
import time

import numpy


@dataclasses.dataclass
class Net:
    """A multi-layer perceptron: sizes, activation of the hidden layers, and its parameters' rule."""

    sizes: list
    activation: str  # none, tanh, relu, elu
    bias: bool
    scale: float
    offset: float = 0.0

    def layers(self, extra_offset=0.0):
        """[(weight [out, in], bias [out] or None), ...] in float64."""
        k, result = 0, []

        def take(*shape):
            nonlocal k
            count = math.prod(shape)
            values = self.scale * numpy.sin(numpy.arange(k, k + count) + 1.0 + self.offset + extra_offset)
            k += count
            return values.reshape(shape)

        for inputs, outputs in zip(self.sizes[:-1], self.sizes[1:]):
            result.append((take(outputs, inputs), take(outputs) if self.bias else None))
        return result


@dataclasses.dataclass
class Case:
    """One problem with its tasks. Arrays of tasks have the task as first axis."""

    problem: str  # mountain_car, reacher, sine
    policy: Net  # or the regression model
    loss: Net
    loss_output: str  # linear, softplus
    alpha: float
    outer_rate: float
    offsets: numpy.ndarray  # added to the policy's offset [tasks]
    horizon: int = 0
    start: numpy.ndarray = None  # [tasks, state]
    goal: numpy.ndarray = None  # [tasks, state]
    extra_goal: numpy.ndarray = None  # [2], mountain car only; None: plain task loss
    dynamics: list = None  # of Net, reacher only; the last layer is the linear mean head
    dt: float = 0.01
    x: numpy.ndarray = None  # [tasks, points], sine only
    y: numpy.ndarray = None


def published(problem, tasks):
    """The published configuration; task t is a little different from task 0."""
    t = numpy.arange(tasks, dtype=float)
    if problem == "mountain_car":
        return Case(
            problem,
            policy=Net([2, 200, 1], "none", False, 0.3),
            loss=Net([4, 400, 400, 1], "elu", True, 0.05),
            loss_output="linear",
            alpha=1e-3,
            outer_rate=1e-3,
            offsets=0.1 * t,
            horizon=35,
            start=numpy.stack([-0.55 + 0.002 * t, 0 * t], 1),
            goal=numpy.tile([0.5, 1.0375], (tasks, 1)),
            extra_goal=numpy.array([-0.947, -0.0055]),
        )
    if problem == "reacher":
        return Case(
            problem,
            policy=Net([8, 64, 64, 2], "tanh", True, 0.2),
            loss=Net([7, 400, 400, 1], "elu", True, 0.05),
            loss_output="softplus",
            alpha=1e-4,
            outer_rate=1e-2,
            offsets=0.1 * t,
            horizon=65,
            start=numpy.zeros((tasks, 4)),
            goal=numpy.stack([0.5 + 0.01 * t, 1.4 - 0.01 * t, 0 * t, 0 * t], 1),
            dynamics=[Net([6, 100, 30, 2], "tanh", True, 0.15, 10.0 * i) for i in range(3)],
        )
    x = numpy.tile(numpy.linspace(-2, 2, 100), (tasks, 1))
    return Case(
        "sine",
        policy=Net([1, 100, 10, 1], "relu", True, 0.3),
        loss=Net([2, 50, 50, 1], "relu", False, 0.2, 0.3),
        loss_output="softplus",
        alpha=1e-3,
        outer_rate=1e-3,
        offsets=0.1 * t,
        x=x,
        y=(1 + 0.05 * t)[:, None] * numpy.sin(x - math.pi - 0.02 * t[:, None]),
    )


def from_oracle(path):
    """The case of an oracle file, and the file's content."""
    with open(path, encoding="utf-8") as file:
        oracle = json.load(file)
    c = oracle["config"]
    name = oracle["case"]
    common = {"alpha": c["lr"], "outer_rate": 1e-3, "offsets": numpy.zeros(1)}
    if name.startswith("mc_"):
        case = Case(
            "mountain_car",
            policy=Net(c["policy"], "none", c["policy_bias"], c["policy_scale"], c["policy_offset"]),
            loss=Net(c["loss_dims"], "elu", c["loss_bias"], c["loss_scale"], c["loss_offset"]),
            loss_output="linear",
            horizon=c["H"],
            start=numpy.array([c["s0"]]),
            goal=numpy.array([c["goal"]]),
            extra_goal=numpy.array(c["goal_extra"]) if c["shaped"] else None,
            **common,
        )
    elif name.startswith("reacher"):
        case = Case(
            "reacher",
            policy=Net(c["policy"], c["policy_act"], True, c["policy_scale"]),
            loss=Net(c["loss_dims"], c["loss_act"], True, c["loss_scale"]),
            loss_output=c["loss_out"],
            horizon=c["H"],
            start=numpy.zeros((1, 4)),
            goal=numpy.array([c["goal"]]),
            dynamics=[Net(c["dyn_trunk"] + [2], "tanh", True, c["dyn_scale"], o) for o in c["dyn_offsets"]],
            dt=c["dt"],
            **common,
        )
    elif name.startswith("sine"):
        case = Case(
            "sine",
            policy=Net(c["model"], c["model_act"], c["model_bias"], c["model_scale"], c["model_offset"]),
            loss=Net(c["loss_dims"], c["loss_act"], c["loss_bias"], c["loss_scale"], c["loss_offset"]),
            loss_output="softplus",
            x=numpy.array([c["x"]]),
            y=numpy.array([c["y"]]),
            **common,
        )
    else:
        sys.exit(f"{path}: the benchmark has no problem like '{name}'")
    return case, oracle


def policy_layers(case):
    """Initial policies of all tasks: [(weight [tasks, out, in], bias [tasks, out] or None), ...]."""
    each = [case.policy.layers(offset) for offset in case.offsets]
    return [
        (numpy.stack([w for w, _ in same]), None if same[0][1] is None else numpy.stack([b for _, b in same]))
        for same in zip(*each)
    ]


def options(engine):
    """The command line, and the processors kept to `threads` of them before any library starts its own."""
    parser = argparse.ArgumentParser(description=f"Times one outer step in {engine}; one line of JSON.")
    parser.add_argument("--problem", choices=["mountain_car", "reacher", "sine"], default="mountain_car")
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1, help="inner steps; the gradient goes through all of them")
    parser.add_argument("--seconds", type=float, default=2, help="to measure for, about")
    parser.add_argument("--double", action="store_true", help="float64")
    parser.add_argument("--oracle", metavar="FILE", help="check against this file instead of timing")
    args = parser.parse_args()
    if min(args.tasks, args.threads, args.steps) < 1:
        parser.error("--tasks, --threads and --steps must be at least 1")

    args.double |= args.oracle is not None
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, available[: args.threads])
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    return args


def measure(step, seconds):
    """Median, least and greatest milliseconds of step(), after warming up; and how often it was run."""
    for _ in range(3):
        step()
    times = []
    begin = time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - begin < seconds and len(times) < 500):
        before = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - before))
    return float(numpy.median(times)), min(times), max(times), len(times)


def report(engine, args, values, times, compile_ms):
    """One line of JSON. values: (task loss, meta-gradient as one vector)."""
    loss, gradient = values
    median, least, greatest, repeats = times
    line = {
        "engine": engine,
        "problem": args.problem,
        "tasks": args.tasks,
        "threads": args.threads,
        "steps": args.steps,
        "precision": "float64" if args.double else "float32",
        "median_ms": median,
        "min_ms": least,
        "max_ms": greatest,
        "repeats": repeats,
        "compile_ms": compile_ms,
        "task_loss": float(loss),
        "meta_gradient_norm": float(numpy.linalg.norm(gradient.astype(float))),
        "meta_gradient_first": [float(g) for g in gradient[:5]],
    }
    print(json.dumps(line), flush=True)


def check_oracle(engine, path, oracle, task_loss, theta, gradient):
    """Exits with 1 when a number is further from the file's than rounding explains."""
    expected = {"task_loss": [oracle["task_loss"]], "theta_new": oracle["theta_new"]["all"],
                "meta_grad": oracle["meta_grad"]["all"]}
    found = {"task_loss": [float(task_loss)], "theta_new": theta, "meta_grad": gradient}
    worst = 0.0
    for name, values in expected.items():
        values = numpy.array(values)
        error = numpy.linalg.norm(numpy.asarray(found[name]) - values) / numpy.linalg.norm(values)
        worst = max(worst, error)
        print(f"{engine} {os.path.basename(path)} {name}: relative error {error:.1e}")
    sys.exit(0 if worst < 1e-11 else 1)
