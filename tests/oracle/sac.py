#!/usr/bin/env python3
"""Numbers for tests/test_oracle_sac.c: soft actor-critic in PyTorch and float64, written from Haarnoja et al. (2018, 2019) and the
conventions of Stable-Baselines3, not from the C code. Gradients are PyTorch's, steps are torch.optim.Adam's, log-probabilities
torch.distributions'.

    python3 tests/oracle/sac.py     # writes sac.json beside itself; needs PyTorch

The networks of a vector of parameters: the actor's (layer by layer weight [out][in] and bias), both critics', log alpha."""
import math

import torch
from torch.distributions import Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from learners import below, stream, write

torch.set_default_dtype(torch.float64)

OBS, ACTIONS, HIDDEN, CRITIC_HIDDEN = 4, 2, [6, 5], [7]
CONFIG = {"seed": 3, "batch": 5, "discount": 0.9, "tau": 0.1, "rate": 0.01, "alpha": 0.3, "hidden": HIDDEN,
          "critic_hidden": CRITIC_HIDDEN, "envs": 3, "updates": 3, "gradient_steps": 0.34}  # one for the steps of three environments
LOW, HIGH = -1.0, 1.0  # of pointmass's actions; the test checks them


def network(widths):
    layers = []
    for i, o in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def flat(*modules):
    return torch.cat([p.detach().reshape(-1) for m in modules for p in m.parameters()])


def gradients(*modules):
    return torch.cat([p.grad.reshape(-1) for m in modules for p in m.parameters()])


def uniform(bits):
    """53 bits, as base/random.h has them: 27 of one number, 26 of the next."""
    high, low = next(bits) >> 5, next(bits) >> 6
    return (high * 2.0**26 + low) / 2.0**53


def normal(bits):
    radius = math.sqrt(-2 * math.log(1 - uniform(bits)))
    return radius * math.cos(2 * math.pi * uniform(bits))


def draw(actor, x, noise):
    """The squashed Gaussian with its noise given: u = mean + sigma noise, as rsample."""
    mean, log_std = actor(x).chunk(2, dim=1)
    gaussian = Normal(mean, log_std.clamp(-20, 2).exp())
    u = mean + gaussian.stddev * noise
    squashed = TransformedDistribution(gaussian, [TanhTransform(cache_size=1)])
    share = squashed.transforms[0](u)  # its cache gives log_prob the exact u
    return share, squashed.log_prob(share).sum(1, keepdim=True)


def make_sac():
    torch.manual_seed(7)
    actor = network([OBS, *HIDDEN, 2 * ACTIONS])
    with torch.no_grad():
        actor[-1].weight *= 3
        actor[-1].bias[ACTIONS] = 2.3  # beyond the clamp for some rows
    critics = [network([OBS + ACTIONS, *CRITIC_HIDDEN, 1]) for _ in range(2)]
    targets = [network([OBS + ACTIONS, *CRITIC_HIDDEN, 1]) for _ in range(2)]
    for q, t in zip(critics, targets):
        t.load_state_dict(q.state_dict())
    log_alpha = torch.tensor(math.log(CONFIG["alpha"]), requires_grad=True)
    adam = [torch.optim.Adam(p, lr=CONFIG["rate"]) for p in
            ([p for q in critics for p in q.parameters()], actor.parameters(), [log_alpha])]
    start = torch.cat([flat(actor, *critics), log_alpha.detach().reshape(1)])

    envs, rollouts, replay = CONFIG["envs"], [], []
    for step in range(CONFIG["updates"]):
        end = [[0, 1, 2], [2, 0, 0], [0, 0, 1]][step]  # goes on, terminated, truncated
        r = {"x": torch.randn(envs, OBS), "action": torch.rand(envs, ACTIONS) * (HIGH - LOW) + LOW, "reward": torch.randn(envs),
             "last_x": torch.randn(envs, OBS), "truncated_x": torch.randn(envs, OBS), "end": torch.tensor(end)}
        rollouts.append({k: v.reshape(-1).tolist() for k, v in r.items()})
        for i in range(envs):
            share = (r["action"][i] - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2)
            replay.append((r["x"][i], share, r["reward"][i], float(end[i] != 1), r["last_x" if end[i] == 0 else "truncated_x"][i]))
        rollouts[-1]["expected"] = expected = {}
        first = step == 0
        bits = stream(CONFIG["seed"], 7, step, 2)
        rows = [replay[below(bits, len(replay))] for _ in range(CONFIG["batch"])]
        x, a, reward, goes_on, next_x = (torch.stack([torch.as_tensor(row[j]) for row in rows]) for j in range(5))
        next_noise = torch.tensor([normal(bits) for _ in range(CONFIG["batch"] * ACTIONS)]).reshape(-1, ACTIONS)
        noise = torch.tensor([normal(bits) for _ in range(CONFIG["batch"] * ACTIONS)]).reshape(-1, ACTIONS)
        alpha = log_alpha.detach().exp()
        with torch.no_grad():
            next_share, next_log_prob = draw(actor, next_x, next_noise)
            both = torch.cat([next_x, next_share], 1)
            value = torch.min(targets[0](both), targets[1](both)) - alpha * next_log_prob
            y = reward[:, None] + CONFIG["discount"] * goes_on[:, None] * value
        q = [net(torch.cat([x, a], 1)) for net in critics]
        losses = [torch.nn.functional.mse_loss(each, y) for each in q]
        adam[0].zero_grad()
        (0.5 * sum(losses)).backward()
        if first:
            expected["critics_gradient"] = gradients(*critics).tolist()
        adam[0].step()

        share, log_prob = draw(actor, x, noise)
        values = torch.min(*(net(torch.cat([x, share], 1)) for net in critics))
        actor_loss = (alpha * log_prob - values).mean()
        adam[1].zero_grad()
        actor_loss.backward()
        if first:
            expected["actor_gradient"] = gradients(actor).tolist()
        adam[1].step()

        alpha_loss = -(log_alpha * (log_prob.detach() - ACTIONS)).mean()  # the target entropy is minus the number of actions
        adam[2].zero_grad()
        alpha_loss.backward()
        if first:
            expected["alpha_gradient"] = [log_alpha.grad.item()]
        adam[2].step()
        with torch.no_grad():
            for net, target in zip(critics, targets):
                for p, t in zip(net.parameters(), target.parameters()):
                    t.copy_((1 - CONFIG["tau"]) * t + CONFIG["tau"] * p)
        expected.update({"parameters": torch.cat([flat(actor, *critics), log_alpha.detach().reshape(1)]).tolist(),
                         "targets": flat(*targets).tolist(), "qf1_values": q[0].mean().item(), "qf2_values": q[1].mean().item(),
                         "qf1_loss": losses[0].item(), "qf2_loss": losses[1].item(), "qf_loss": sum(losses).item() / 2,
                         "actor_loss": actor_loss.item(), "alpha": log_alpha.exp().item(), "alpha_loss": alpha_loss.item(),
                         "entropy": -log_prob.mean().item()})
    write("sac", {"config": CONFIG, "parameters": start.tolist(), "rollouts": rollouts})


def make_densities():
    """log(1 - tanh(u)^2) for u of all sizes, by logarithms that cannot cancel: log(4) - 2 |u| - 2 log1p(exp(-2 |u|))."""
    from decimal import Decimal, getcontext
    getcontext().prec = 60
    cases = []
    for u in [0.0, 1e-8, 0.3, -0.3, 1.0, -2.5, 5.0, -9.0, 12.0, 20.0, -30.0, 80.0]:
        e = (Decimal(-2) * abs(Decimal(u))).exp()
        tanh = (1 - e) / (1 + e)
        cases.append({"u": u, "log_derivative": float((1 - tanh * tanh).ln()) if tanh * tanh != 1 else float((4 * e).ln())})
    write("squashed", {"cases": cases})


if __name__ == "__main__":
    make_sac()
    make_densities()
