#!/usr/bin/env python3
"""One outer step in PyTorch, eager: autograd with create_graph, all tasks in one batch.

Tasks are an axis of every tensor: policies are batched products, the learned loss sees the rows of all tasks in one
product, and the inner gradient is that of the sum over tasks (their parameters do not meet). With one task the
products are plain ones. This is also the way the published code computes, without its per-step overheads.
"""

import numpy

import metagrad_cases as cases

args = cases.options("PyTorch")

import torch  # noqa: E402  (after the processors are chosen)
from torch.nn import functional  # noqa: E402

torch.set_num_threads(args.threads)
REAL = torch.float64 if args.double else torch.float32
ACTIVATIONS = {"none": lambda x: x, "tanh": torch.tanh, "relu": torch.relu, "elu": functional.elu}
OUTPUTS = {"linear": lambda x: x, "softplus": functional.softplus}


def tensor(array, **options):
    return torch.tensor(numpy.asarray(array), dtype=REAL, **options)


def flat_tensors(layers):
    return [tensor(x, requires_grad=True) for layer in layers for x in layer if x is not None]


def forward(net, parameters, x, batched):
    """x [rows, in], or with one set of parameters a task [tasks, rows, in]."""
    activation = ACTIVATIONS[net.activation]
    stride = 2 if net.bias else 1
    for i in range(0, len(parameters), stride):
        weight, bias = parameters[i], parameters[i + 1] if net.bias else None
        if not batched:
            x = functional.linear(x, weight, bias)
        elif bias is None:
            x = torch.bmm(x, weight.mT)
        else:
            x = torch.baddbmm(bias.unsqueeze(1), x, weight.mT)
        if i + stride < len(parameters):
            x = activation(x)
    return x


def over_tasks(x):
    """Frobenius norm over all but the first axis: [tasks]."""
    return torch.linalg.vector_norm(x, dim=tuple(range(1, x.dim())))


class Problem:
    """What the problems share; a subclass knows features (the loss's input) and task_loss, both by theta."""

    def __init__(self, case):
        self.case = case
        self.tasks = len(case.offsets)
        self.theta = flat_tensors(cases.policy_layers(case))
        self.phi = flat_tensors(case.loss.layers())
        self.optimizer = torch.optim.Adam(self.phi, lr=case.outer_rate, fused=True)

    def policy(self, theta, x):
        """x [tasks, rows, in]"""
        if self.tasks > 1:
            return forward(self.case.policy, theta, x, True)
        return forward(self.case.policy, [p.squeeze(0) for p in theta], x, False)

    def inner_step(self, theta):
        features = self.features(theta)  # [tasks, rows, inputs]
        outputs = OUTPUTS[self.case.loss_output](forward(self.case.loss, self.phi, features, False))
        inner = outputs.sum() / features.shape[1]
        gradients = torch.autograd.grad(inner, theta, create_graph=True)
        return [p - self.case.alpha * g for p, g in zip(theta, gradients)]

    def meta_gradient(self, steps):
        theta = self.theta
        for _ in range(steps):
            theta = self.inner_step(theta)
        loss = self.task_loss(theta)
        # The last bias of a linear output has no influence: an exact zero, not an error.
        return loss, theta, torch.autograd.grad(loss, self.phi, materialize_grads=True)

    def outer_step(self, steps):
        _, _, gradients = self.meta_gradient(steps)
        for p, g in zip(self.phi, gradients):
            p.grad = g
        self.optimizer.step()


class MountainCar(Problem):
    def __init__(self, case):
        super().__init__(case)
        self.start, self.goal = tensor(case.start), tensor(case.goal)
        self.extra_goal = None if case.extra_goal is None else tensor(case.extra_goal)

    def rollout(self, theta):
        """States [tasks, H + 1, 2] and actions [tasks, H, 1]; back-propagation through time."""
        state, states, actions = self.start, [self.start], []
        for _ in range(self.case.horizon):
            u = self.policy(theta, state.unsqueeze(1)).squeeze(1).clamp(-0.25, 0.25)
            p, v = state.split(1, dim=1)
            v = v + (-1.96 * torch.cos(3 * p) + u / 0.2 - 0.3 * v) * 0.1
            p = p + 0.1 * v
            with torch.no_grad():  # the walls change values only: the gradient goes straight through
                v.clamp_(-1.5, 1.5)
                v.masked_fill_((p < -1.2) & (v < 0), 0)
                p.clamp_(-1.2, 0.5)
            state = torch.cat([p, v], dim=1)
            states.append(state)
            actions.append(u)
        return torch.stack(states, 1), torch.stack(actions, 1)

    def features(self, theta):
        states, actions = self.rollout(theta)
        r = over_tasks(states[:, -1] - self.goal).detach()
        r = r.view(-1, 1, 1).expand(-1, self.case.horizon, 1)
        return torch.cat([states[:, :-1], actions, r], dim=2)

    def task_loss(self, theta):
        states, _ = self.rollout(theta)
        away = states - self.goal.unsqueeze(1)
        if self.extra_goal is None:
            return over_tasks(away).mean()
        return (over_tasks(states[:, :15] - self.extra_goal) + over_tasks(away[:, 15:])).mean()


class Reacher(Problem):
    def __init__(self, case):
        super().__init__(case)
        self.start, self.goal = tensor(case.start), tensor(case.goal)
        self.policy_scale = 1 / tensor([1, 1, 8, 8, 1, 1, 1, 1])
        self.loss_scale = 1 / tensor([1, 1, 8, 8, 1, 1, 1])
        self.model_scale = 1 / tensor([1, 1, 8, 8, 1, 1])
        # The ensemble in three products: first layers side by side, then batched, then the mean of the heads.
        members = [net.layers() for net in case.dynamics]
        self.first = tensor(numpy.concatenate([m[0][0] for m in members])), tensor(
            numpy.concatenate([m[0][1] for m in members])
        )
        self.second = tensor(numpy.stack([m[1][0].T for m in members])), tensor(
            numpy.stack([m[1][1] for m in members])[:, None]
        )
        self.head = tensor(numpy.concatenate([m[2][0] for m in members], 1) / len(members)), tensor(
            numpy.mean([m[2][1] for m in members], 0)
        )

    def model(self, state, u):
        members = len(self.case.dynamics)
        x = torch.cat([state, u], dim=1) * self.model_scale
        h = torch.tanh(functional.linear(x, *self.first)).view(self.tasks, members, -1).transpose(0, 1)
        h = torch.tanh(torch.baddbmm(self.second[1], h, self.second[0]))
        change = functional.linear(h.transpose(0, 1).reshape(self.tasks, -1), *self.head)
        q, v = state.split(2, dim=1)
        v = v + change
        q = q + v * self.case.dt
        return torch.cat([q.clamp(-3, 3), v.clamp(-4, 4)], dim=1)

    def rollout(self, theta):
        """States [tasks, H + 1, 4] and actions [tasks, H, 2]; the policy sees states as data."""
        state, states, actions = self.start, [self.start], []
        for _ in range(self.case.horizon):
            x = torch.cat([state.detach(), self.goal], dim=1) * self.policy_scale
            u = self.policy(theta, x.unsqueeze(1)).squeeze(1).clamp(-1, 1)
            state = self.model(state, u)
            states.append(state)
            actions.append(u)
        return torch.stack(states, 1), torch.stack(actions, 1)

    def features(self, theta):
        """Only values of the states matter here, so the rollout keeps no graph and the actions are made again in one
        product of all time steps."""
        with torch.no_grad():
            states, _ = self.rollout(theta)
        goal = self.goal.unsqueeze(1).expand(-1, self.case.horizon, -1)
        x = torch.cat([states[:, :-1], goal], dim=2) * self.policy_scale
        actions = self.policy(theta, x).clamp(-1, 1)
        r = over_tasks(states[:, -1] - self.goal).view(-1, 1, 1).expand(-1, self.case.horizon, 1)
        return torch.cat([states[:, :-1], actions, r], dim=2) * self.loss_scale

    def task_loss(self, theta):
        states, _ = self.rollout(theta)
        q, v = states.split(2, dim=2)
        away = torch.linalg.vector_norm(q - self.goal[:, None, :2], dim=2)  # [tasks, H + 1]
        speed = torch.linalg.vector_norm(v, dim=2)
        return 10 * away[:, -1].mean() + away.mean() + 1e-4 * speed.mean()


class Sine(Problem):
    def __init__(self, case):
        super().__init__(case)
        self.x, self.y = tensor(case.x).unsqueeze(2), tensor(case.y).unsqueeze(2)

    def features(self, theta):
        return torch.cat([self.policy(theta, self.x), self.y], dim=2)

    def task_loss(self, theta):
        return functional.mse_loss(self.policy(theta, self.x), self.y)


PROBLEMS = {"mountain_car": MountainCar, "reacher": Reacher, "sine": Sine}


def as_vector(tensors):
    return torch.cat([x.detach().flatten() for x in tensors]).numpy()


def main():
    if args.oracle:
        case, oracle = cases.from_oracle(args.oracle)
        loss, theta, gradients = PROBLEMS[case.problem](case).meta_gradient(1)
        cases.check_oracle("torch", args.oracle, oracle, loss.item(), as_vector(theta), as_vector(gradients))

    problem = PROBLEMS[args.problem](cases.published(args.problem, args.tasks))
    loss, _, gradients = problem.meta_gradient(args.steps)
    times = cases.measure(lambda: problem.outer_step(args.steps), args.seconds)
    cases.report("torch", args, (loss.item(), as_vector(gradients)), times, 0.0)


main()
