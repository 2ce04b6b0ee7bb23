#!/usr/bin/env python3
"""One outer step in JAX: one jitted function, rollouts by lax.scan, tasks by vmap, jax.grad through the inner steps.

Parameters of the optimizer's step are donated, so Adam works in place. The ensemble and the observations' scales are
constants of the compiled program.
"""

import time

import numpy

import metagrad_cases as cases

args = cases.options("JAX")

import jax  # noqa: E402  (after the processors are chosen)
from jax import lax  # noqa: E402
from jax import numpy as jnp  # noqa: E402

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", args.double)
REAL = jnp.float64 if args.double else jnp.float32
ACTIVATIONS = {"none": lambda x: x, "tanh": jnp.tanh, "relu": jax.nn.relu, "elu": jax.nn.elu}
OUTPUTS = {"linear": lambda x: x, "softplus": jax.nn.softplus}


def array(x):
    return jnp.asarray(numpy.asarray(x), REAL)


def arrays(layers):
    return [(array(w), None if b is None else array(b)) for w, b in layers]


def forward(net, parameters, x):
    """x [..., in]"""
    for i, (weight, bias) in enumerate(parameters):
        x = x @ weight.T
        if bias is not None:
            x = x + bias
        if i + 1 < len(parameters):
            x = ACTIVATIONS[net.activation](x)
    return x


def clamp(x, low, high):
    """Gradient 1 inside and at the bounds, else 0."""
    return jnp.where(x < low, low, jnp.where(x > high, high, x))


def straight_through(value, path):
    """That value exactly, with the gradient of path."""
    return lax.stop_gradient(value) + (path - lax.stop_gradient(path))


def norm(x, axis=None):
    """Euclidean; its gradient at 0 is 0."""
    square = jnp.sum(x * x, axis=axis)
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


class MountainCar:
    """A task is (start [2], goal [2])."""

    def __init__(self, case):
        self.case = case
        self.tasks = array(case.start), array(case.goal)
        self.extra_goal = None if case.extra_goal is None else array(case.extra_goal)

    def rollout(self, theta, task):
        """States [H + 1, 2] and actions [H, 1]; back-propagation through time."""

        def step(state, _):
            p, v = state
            u = clamp(forward(self.case.policy, theta, state), -0.25, 0.25)
            free_v = v + (-1.96 * jnp.cos(3 * p) + u[0] / 0.2 - 0.3 * v) * 0.1
            free_p = p + 0.1 * free_v
            # The walls change values only: the gradient goes straight through.
            v = jnp.clip(free_v, -1.5, 1.5)
            v = jnp.where((free_p < -1.2) & (v < 0), 0, v)
            p = jnp.clip(free_p, -1.2, 0.5)
            state = jnp.stack([straight_through(p, free_p), straight_through(v, free_v)])
            return state, (state, u)

        _, (states, actions) = lax.scan(step, task[0], None, length=self.case.horizon)
        return jnp.concatenate([task[0][None], states]), actions

    def features(self, theta, task):
        states, actions = self.rollout(theta, task)
        r = lax.stop_gradient(norm(states[-1] - task[1]))
        return jnp.concatenate([states[:-1], actions, jnp.full_like(actions, r)], axis=1)

    def task_loss(self, theta, task):
        states, _ = self.rollout(theta, task)
        if self.extra_goal is None:
            return norm(states - task[1])
        return norm(states[:15] - self.extra_goal) + norm(states[15:] - task[1])


class Reacher:
    """A task is (start [4], goal [4])."""

    def __init__(self, case):
        self.case = case
        self.tasks = array(case.start), array(case.goal)
        self.policy_scale = 1 / array([1, 1, 8, 8, 1, 1, 1, 1])
        self.loss_scale = 1 / array([1, 1, 8, 8, 1, 1, 1])
        self.model_scale = 1 / array([1, 1, 8, 8, 1, 1])
        # The ensemble in three products: first layers side by side, then batched, then the mean of the heads.
        members = [net.layers() for net in case.dynamics]
        self.count = len(members)
        self.first = array(numpy.concatenate([m[0][0] for m in members])), array(
            numpy.concatenate([m[0][1] for m in members])
        )
        self.second = array([m[1][0] for m in members]), array([m[1][1] for m in members])
        self.head = array(numpy.concatenate([m[2][0] for m in members], 1) / self.count), array(
            numpy.mean([m[2][1] for m in members], 0)
        )

    def model(self, state, u):
        x = jnp.concatenate([state, u]) * self.model_scale
        h = jnp.tanh(self.first[0] @ x + self.first[1]).reshape(self.count, -1)
        h = jnp.tanh(jnp.einsum("moi,mi->mo", self.second[0], h) + self.second[1])
        v = state[2:] + self.head[0] @ h.reshape(-1) + self.head[1]
        q = state[:2] + v * self.case.dt
        return jnp.concatenate([clamp(q, -3.0, 3.0), clamp(v, -4.0, 4.0)])

    def rollout(self, theta, task):
        """States [H + 1, 4]; the policy sees states as data."""

        def step(state, _):
            x = jnp.concatenate([lax.stop_gradient(state), task[1]]) * self.policy_scale
            state = self.model(state, clamp(forward(self.case.policy, theta, x), -1.0, 1.0))
            return state, state

        _, states = lax.scan(step, task[0], None, length=self.case.horizon)
        return jnp.concatenate([task[0][None], states])

    def features(self, theta, task):
        """Only values of the states matter here, so the rollout keeps nothing and the actions are made again in one
        product of all time steps."""
        states = self.rollout(lax.stop_gradient(theta), task)
        goal = jnp.broadcast_to(task[1], (self.case.horizon, 4))
        x = jnp.concatenate([states[:-1], goal], axis=1) * self.policy_scale
        actions = clamp(forward(self.case.policy, theta, x), -1.0, 1.0)
        r = jnp.full((self.case.horizon, 1), norm(states[-1] - task[1]))
        return lax.concatenate([states[:-1], actions, r], 1) * self.loss_scale

    def task_loss(self, theta, task):
        states = self.rollout(theta, task)
        away = norm(states[:, :2] - task[1][:2], axis=1)
        return 10 * away[-1] + away.mean() + 1e-4 * norm(states[:, 2:], axis=1).mean()


class Sine:
    """A task is (x [points, 1], y [points, 1])."""

    def __init__(self, case):
        self.case = case
        self.tasks = array(case.x[..., None]), array(case.y[..., None])

    def features(self, theta, task):
        return jnp.concatenate([forward(self.case.policy, theta, task[0]), task[1]], axis=1)

    def task_loss(self, theta, task):
        return jnp.mean((forward(self.case.policy, theta, task[0]) - task[1]) ** 2)


PROBLEMS = {"mountain_car": MountainCar, "reacher": Reacher, "sine": Sine}


def make_objective(problem, steps):
    """(phi, theta of all tasks) -> (mean task loss after the inner steps, theta after them)."""
    case = problem.case

    def inner_loss(theta, phi, task):
        outputs = forward(case.loss, phi, problem.features(theta, task))
        return jnp.mean(OUTPUTS[case.loss_output](outputs))

    def one_task(phi, theta, task):
        for _ in range(steps):
            gradient = jax.grad(inner_loss)(theta, phi, task)
            theta = jax.tree.map(lambda p, g: p - case.alpha * g, theta, gradient)
        return problem.task_loss(theta, task), theta

    def objective(phi, theta):
        losses, adapted = jax.vmap(one_task, (None, 0, 0))(phi, theta, problem.tasks)
        return jnp.mean(losses), adapted

    return objective


def make_outer_step(objective, rate):
    """Adam (0.9, 0.999, 1e-8) on phi; state is (phi, m, v, number of updates)."""

    def outer_step(state, theta):
        phi, m, v, t = state
        (loss, _), gradient = jax.value_and_grad(objective, has_aux=True)(phi, theta)
        t = t + 1
        m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradient)
        root = jnp.sqrt(1 - 0.999**t)
        length = rate / (1 - 0.9**t)
        phi = jax.tree.map(lambda p, a, b: p - length * a / (jnp.sqrt(b) / root + 1e-8), phi, m, v)
        return (phi, m, v, t), loss

    return outer_step


def as_vector(tree):
    return numpy.concatenate([numpy.asarray(x).ravel() for x in jax.tree.leaves(tree)])


def main():
    case, oracle = (
        cases.from_oracle(args.oracle) if args.oracle else (cases.published(args.problem, args.tasks), None)
    )
    problem = PROBLEMS[case.problem](case)
    phi, theta = arrays(case.loss.layers()), arrays(cases.policy_layers(case))
    objective = make_objective(problem, 1 if oracle else args.steps)
    (loss, adapted), gradient = jax.jit(jax.value_and_grad(objective, has_aux=True))(phi, theta)
    if oracle:
        cases.check_oracle("jax", args.oracle, oracle, loss, as_vector(adapted), as_vector(gradient))

    zeros = jax.tree.map(jnp.zeros_like, phi)
    state = (phi, zeros, jax.tree.map(jnp.zeros_like, phi), jnp.zeros((), REAL))
    begin = time.perf_counter()
    compiled = jax.jit(make_outer_step(objective, case.outer_rate), donate_argnums=0).lower(state, theta).compile()
    compile_ms = 1e3 * (time.perf_counter() - begin)

    def outer_step():
        nonlocal state
        state, task_loss = compiled(state, theta)
        task_loss.block_until_ready()

    values = float(loss), as_vector(gradient)
    times = cases.measure(outer_step, args.seconds)
    cases.report("jax", args, values, times, compile_ms)


main()
