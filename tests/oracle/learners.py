#!/usr/bin/env python3
"""Numbers for tests/test_oracle_learner.c: PPO, REINFORCE, generalised advantages and recorded episodes, in NumPy and float64,
written from the papers and CleanRL's conventions, not from the C code.

    python3 tests/oracle/learners.py     # writes ppo_*.json, reinforce*.json, advantages.json, episodes.json beside itself

Networks are tanh MLPs, a parameter vector holds layer by layer weight [out][in] and bias [out]: the policy's mean and its log_std
or its logits, then the value net. Gradients are by hand, and checked against central differences here."""
import json
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
GOES_ON, TERMINATED, TRUNCATED = 0, 1, 2


# ---- random streams: Philox 4x32-10 (Salmon et al. 2011), as base/random.h names them ---------------------------------------

def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # Random123's known answer


def stream(seed, purpose, task, step):
    position = 0
    while True:
        yield from philox([position, step, task, purpose], [seed & 0xFFFFFFFF, seed >> 32])
        position += 1


def below(bits, n):
    limit = 0xFFFFFFFF - 0xFFFFFFFF % n
    x = next(bits)
    while x >= limit:
        x = next(bits)
    return x % n


def permutation(n, seed, update, epoch):
    """Fisher-Yates from the end; 7 is the purpose of learners' own choices."""
    bits, order = stream(seed, 7, update, epoch + 2), list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(bits, i + 1)
        order[i], order[j] = order[j], order[i]
    return order


# ---- networks ------------------------------------------------------------------------------------------------------------------

class Net:
    def __init__(self, widths):
        self.widths = widths
        self.size = sum(o * (i + 1) for i, o in zip(widths, widths[1:]))

    def layers(self, theta):
        at = 0
        for i, o in zip(self.widths, self.widths[1:]):
            yield theta[at:at + o * i].reshape(o, i), theta[at + o * i:at + o * (i + 1)]
            at += o * (i + 1)

    def forward(self, theta, x):
        """The outputs, and every layer's input for backward."""
        inputs, layers = [x], list(self.layers(theta))
        for k, (w, b) in enumerate(layers):
            x = x @ w.T + b
            if k + 1 < len(layers):
                x = np.tanh(x)
                inputs.append(x)
        return x, inputs

    def backward(self, theta, inputs, out):
        """d sum(out * y) / d theta."""
        parts = []
        for (w, _), x in reversed(list(zip(self.layers(theta), inputs))):
            parts[:0] = [(out.T @ x).ravel(), out.sum(0)]
            out = (out @ w) * (1 - x * x)
        return np.concatenate(parts)


class Agent:
    """A Gaussian policy and, for PPO, a value net behind it."""

    environment, inputs, actions = "pointmass", 4, 2

    def __init__(self, inputs, hidden, actions, value=True):
        self.policy, self.actions = Net([inputs, *hidden, actions]), actions
        self.value = Net([inputs, *hidden, 1]) if value else None
        self.theta_size = self.policy.size + actions
        self.size = self.theta_size + (self.value.size if value else 0)

    def split(self, p):
        return p[:self.policy.size], p[self.policy.size:self.theta_size], p[self.theta_size:]

    def log_prob(self, p, x, action):
        net, log_std, _ = self.split(p)
        mean, _ = self.policy.forward(net, x)
        z = (action - mean) / np.exp(log_std)
        return (-0.5 * z * z - log_std - 0.5 * np.log(2 * np.pi)).sum(1)

    def values(self, p, x):
        return self.value.forward(self.split(p)[2], x)[0][:, 0]

    def entropy(self, p, x):
        return (self.split(p)[1] + 0.5 * np.log(2 * np.pi * np.e)).sum()

    def entropy_gradient(self, p, x):
        return np.concatenate([np.zeros(self.policy.size), np.ones(self.actions)])

    def draw(self, random, shape):
        return random.normal(size=(*shape, self.actions))

    def start(self, random):
        p = 0.6 * random.normal(size=self.size)
        p[self.policy.size:self.theta_size] = [-0.5, 0.2]
        return p

    def policy_gradient(self, p, x, action, weight):
        """d sum(weight * log pi) / d theta."""
        net, log_std, _ = self.split(p)
        mean, inputs = self.policy.forward(net, x)
        z = (action - mean) / np.exp(log_std)
        by_mean = weight[:, None] * z / np.exp(log_std)
        by_log_std = (weight[:, None] * (z * z - 1)).sum(0)
        return np.concatenate([self.policy.backward(net, inputs, by_mean), by_log_std])


class Categorical(Agent):
    """One of n actions, by the softmax of the policy net's outputs."""

    environment, inputs, actions = "acrobot", 6, 3

    def __init__(self, inputs, hidden, actions, value=True):
        super().__init__(inputs, hidden, actions, value)
        self.theta_size -= actions
        self.size -= actions

    def log_probs(self, p, x):
        logits, inputs = self.policy.forward(self.split(p)[0], x)
        return logits - np.log(np.exp(logits).sum(1, keepdims=True)), inputs

    def log_prob(self, p, x, action):
        return self.log_probs(p, x)[0][np.arange(len(x)), action[:, 0].astype(int)]

    def entropy(self, p, x):
        log_p, _ = self.log_probs(p, x)
        return -(np.exp(log_p) * log_p).sum(1).mean()

    def policy_gradient(self, p, x, action, weight):
        log_p, inputs = self.log_probs(p, x)
        by_logits = weight[:, None] * (np.eye(self.actions)[action[:, 0].astype(int)] - np.exp(log_p))
        return self.policy.backward(self.split(p)[0], inputs, by_logits)

    def entropy_gradient(self, p, x):
        """dH / dlogit_k = -p_k (log p_k + H)."""
        log_p, inputs = self.log_probs(p, x)
        each = -(np.exp(log_p) * log_p).sum(1, keepdims=True)
        return self.policy.backward(self.split(p)[0], inputs, -np.exp(log_p) * (log_p + each) / len(x))

    def draw(self, random, shape):
        return random.integers(self.actions, size=(*shape, 1)).astype(float)

    def start(self, random):
        return 0.6 * random.normal(size=self.size)


def standardise(x):
    return (x - x.mean()) / (x.std() + 1e-8) if len(x) > 1 else x


# ---- generalised advantages (Schulman et al. 2016), as the sum of the definition --------------------------------------------------

def advantages(reward, end, value, last_value, truncated_value, discount, lam):
    steps, envs = reward.shape
    delta, out = np.zeros((steps, envs)), np.zeros((steps, envs))
    for t in range(steps):
        for i in range(envs):
            after = {GOES_ON: value[t + 1, i] if t + 1 < steps else last_value[i],
                     TERMINATED: 0.0, TRUNCATED: truncated_value[t, i]}[int(end[t, i])]
            delta[t, i] = reward[t, i] + discount * after - value[t, i]
    for t in range(steps):
        for i in range(envs):
            for k in range(t, steps):
                out[t, i] += (discount * lam) ** (k - t) * delta[k, i]
                if end[k, i] != GOES_ON:
                    break
    return out, out + value


# ---- Adam with PyTorch's conventions and clip_grad_norm_ -------------------------------------------------------------------------

class Adam:
    def __init__(self, size, rate, total, anneal, clip_norm):
        self.m, self.v, self.t = np.zeros(size), np.zeros(size), 0
        self.rate, self.total, self.anneal, self.clip_norm = rate, total, anneal, clip_norm

    def step(self, p, g):
        rate = self.rate * (1 - self.t / self.total) if self.anneal else self.rate
        if self.clip_norm > 0:
            g = g * min(1.0, self.clip_norm / (np.linalg.norm(g) + 1e-6))
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g * g
        m, v = self.m / (1 - 0.9 ** self.t), self.v / (1 - 0.999 ** self.t)
        return p - rate * m / (np.sqrt(v) + 1e-5)


# ---- PPO ------------------------------------------------------------------------------------------------------------------------

def ppo_loss(agent, p, c, x, action, old, advantage, returns, old_value):
    """Loss, its gradient, and what is reported of it."""
    n, clip = len(x), c["clip"]
    log_ratio = agent.log_prob(p, x, action) - old
    ratio = np.exp(log_ratio)
    free, bounded = -advantage * ratio, -advantage * np.clip(ratio, 1 - clip, 1 + clip)
    policy_loss = np.maximum(free, bounded).mean()
    inside = np.abs(ratio - 1) <= clip
    weight = np.where(inside | (free > bounded), -advantage * ratio, 0) / n  # by log pi

    v = agent.values(p, x)
    plain = (v - returns) ** 2
    if c["clip_value"]:
        near = old_value + np.clip(v - old_value, -clip, clip)
        clipped = (near - returns) ** 2
        value_loss = 0.5 * np.maximum(plain, clipped).mean()
        moves = np.abs(v - old_value) <= clip
        by_v = np.where(moves | (plain > clipped), v - returns, 0) / n
    else:
        value_loss = 0.5 * plain.mean()
        by_v = (v - returns) / n
    entropy = agent.entropy(p, x)
    loss = policy_loss + c["value_weight"] * value_loss - c["entropy_weight"] * entropy

    gradient = np.zeros(agent.size)
    gradient[:agent.theta_size] = agent.policy_gradient(p, x, action, weight)
    gradient[:agent.theta_size] -= c["entropy_weight"] * agent.entropy_gradient(p, x)
    value_p = agent.split(p)[2]
    _, inputs = agent.value.forward(value_p, x)
    gradient[agent.theta_size:] = c["value_weight"] * agent.value.backward(value_p, inputs, by_v[:, None])
    told = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy, "old_approx_kl": -log_ratio.mean(),
            "approx_kl": (ratio - 1 - log_ratio).mean(), "clipped": int((np.abs(ratio - 1) > clip).sum())}
    return loss, gradient, told


def check_gradient(f, p, gradient):
    for i in range(0, len(p), 7):
        e = np.zeros(len(p))
        e[i] = 1e-6
        slope = (f(p + e) - f(p - e)) / 2e-6
        assert abs(slope - gradient[i]) < 1e-7, (i, slope, gradient[i])


class Ppo:
    def __init__(self, agent, c):
        self.agent, self.c = agent, c
        self.adam = Adam(agent.size, c["rate"], c["updates"] * c["epochs"] * c["minibatches"], c["anneal"], c["clip_norm"])
        self.running, self.seen, self.updates = np.zeros(c["envs"]), [], 0

    def rewards(self, r):
        """Over the deviation of all discounted returns so far; a return begins anew with an episode."""
        if not self.c["normalize_reward"]:
            return r["reward"]
        out = np.zeros_like(r["reward"])
        for t in range(len(out)):
            self.running = self.running * self.c["discount"] + r["reward"][t]
            self.seen += list(self.running)
            out[t] = np.clip(r["reward"][t] / np.sqrt(np.var(self.seen) + 1e-8), -10, 10)
            self.running = np.where(r["end"][t] != GOES_ON, 0, self.running)
        return out

    def update(self, p, r):
        agent, c = self.agent, self.c
        rows, n = c["envs"] * c["steps"], len(r["last_x"][0])
        x, action = r["x"].reshape(rows, n), r["action"].reshape(rows, -1)
        value = agent.values(p, x).reshape(c["steps"], c["envs"])
        ends = agent.values(p, r["truncated_x"].reshape(rows, n)).reshape(c["steps"], c["envs"])
        advantage, returns = advantages(self.rewards(r), r["end"], value, agent.values(p, r["last_x"]), ends, c["discount"],
                                        c["lambda"])
        flat = [a.ravel() for a in (r["log_prob"], advantage, returns, value)]
        clipped, first = 0, None
        for epoch in range(c["epochs"]):
            order = permutation(rows, c["seed"], self.updates, epoch)
            for piece in np.array_split(order, c["minibatches"]):
                old, a, ret, v = (f[piece] for f in flat)
                args = (c, x[piece], action[piece], old, standardise(a), ret, v)
                _, gradient, told = ppo_loss(agent, p, *args)
                check_gradient(lambda q: ppo_loss(agent, q, *args)[0], p, gradient)
                first = gradient if first is None else first
                clipped += told.pop("clipped")
                p = self.adam.step(p, gradient)
        self.updates += 1
        told["clip_fraction"] = clipped / (rows * c["epochs"])
        told["explained_variance"] = 1 - np.var(returns - value) / np.var(returns)
        return p, {"first_gradient": first, "parameters": p, **told}


def draw_rollout(random, agent, p, c):
    """Of a policy near that of p, so that some ratios are beyond the clip; with both ends of an episode, on the last step too."""
    n, shape = agent.policy.widths[0], (c["steps"], c["envs"])
    x, rows = random.normal(size=(*shape, n)), c["steps"] * c["envs"]
    action = agent.draw(random, shape)
    log_prob = agent.log_prob(p, x.reshape(rows, n), action.reshape(rows, -1)) + 0.25 * random.normal(size=rows)
    end = np.array(c["ends"])
    return {"x": x, "action": action, "log_prob": log_prob.reshape(shape), "reward": 3 * random.normal(size=shape) - 1, "end": end,
            "last_x": random.normal(size=(c["envs"], n)),
            "truncated_x": np.where((end == TRUNCATED)[..., None], random.normal(size=(*shape, n)), 0)}


def write(name, what):
    def plain(x):
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return [plain(v) for v in x]
        return np.asarray(x).ravel().tolist() if isinstance(x, np.ndarray) else x.item() if isinstance(x, np.generic) else x

    with open(os.path.join(HERE, name + ".json"), "w") as out:
        json.dump(plain(what), out, indent=0)
        out.write("\n")


ENDS = [[0, 0, 1], [0, 2, 0], [0, 0, 0], [1, 0, 0], [0, 0, 2]]  # [steps][envs]
COMMON = {"envs": 3, "steps": 5, "hidden": [5, 4], "ends": ENDS, "seed": 7 + (3 << 32), "discount": 0.9, "lambda": 0.8, "rate": 0.01,
          "value_weight": 0.7, "entropy_weight": 0.05, "clip": 0.2, "updates": 3, "clip_value": True, "normalize_reward": False,
          "anneal": True, "clip_norm": 0.5}
PPO_CASES = {
    "ppo_gradient": {"epochs": 1, "minibatches": 1, "clip_norm": 0.0},                            # of the loss, as it is
    "ppo_gradient_plain_value": {"epochs": 1, "minibatches": 1, "clip_norm": 0.0, "clip_value": False},
    "ppo_updates": {"epochs": 3, "minibatches": 4, "normalize_reward": True},                     # 15 rows: 4, 4, 4 and 3
    "ppo_single_rows": {"epochs": 2, "minibatches": 12, "anneal": False},                         # 2 rows three times, then 1
    "ppo_categorical_gradient": {"epochs": 1, "minibatches": 1, "clip_norm": 0.0, "agent": Categorical},
    "ppo_categorical": {"epochs": 3, "minibatches": 4, "normalize_reward": True, "agent": Categorical},
}


def make_ppo():
    for k, (name, own) in enumerate(PPO_CASES.items()):
        random, c = np.random.default_rng(100 + k), {**COMMON, **own}
        kind = c.pop("agent", Agent)
        agent = kind(kind.inputs, c["hidden"], kind.actions)
        p = agent.start(random)
        c["environment"] = agent.environment
        learner, case = Ppo(agent, c), {"config": c, "parameters": p, "updates": []}
        for _ in range(2):
            rollout = draw_rollout(random, agent, p, c)
            p, told = learner.update(p, rollout)
            case["updates"].append({"rollout": rollout, "expected": told})
        write(name, case)


# ---- REINFORCE (Williams 1992), the other episodes' mean as baseline --------------------------------------------------------------

def make_reinforce(name, kind, seed):
    random = np.random.default_rng(seed)
    c = {"envs": 3, "steps": 5, "hidden": [5, 4], "ends": [[0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [2, 2, 1]], "seed": 1,
         "discount": 0.9, "lambda": 0.8, "rate": 0.02, "value_weight": 0.5, "entropy_weight": 0.1, "clip": 0.2, "updates": 4,
         "clip_value": True, "normalize_reward": False, "anneal": True, "clip_norm": 0.0, "epochs": 1, "minibatches": 1}
    agent = kind(kind.inputs, c["hidden"], kind.actions, value=False)
    p = agent.start(random)
    c["environment"] = agent.environment
    adam, case, rows = Adam(agent.size, c["rate"], c["updates"], True, 0), {"config": c, "parameters": p, "updates": []}, 15
    for _ in range(2):
        r = draw_rollout(random, agent, p, c)
        to_go = np.zeros((c["steps"], c["envs"]))
        for t in range(c["steps"]):
            for i in range(c["envs"]):
                for k in range(t, c["steps"]):
                    to_go[t, i] += c["discount"] ** (k - t) * r["reward"][k, i]
                    if r["end"][k, i] != GOES_ON:
                        break
        others = np.array([[np.delete(to_go[t], i).mean() for i in range(c["envs"])] for t in range(c["steps"])])
        weight = standardise((to_go - others).ravel())
        x, action = r["x"].reshape(rows, -1), r["action"].reshape(rows, -1)

        def loss(q):
            return -(weight * agent.log_prob(q, x, action)).mean() - c["entropy_weight"] * agent.entropy(q, x)

        gradient = agent.policy_gradient(p, x, action, -weight / rows)
        gradient -= c["entropy_weight"] * agent.entropy_gradient(p, x)
        check_gradient(loss, p, gradient)
        told = {"policy_loss": -(weight * agent.log_prob(p, x, action)).mean(), "entropy": agent.entropy(p, x)}
        p = adam.step(p, gradient)
        case["updates"].append({"rollout": r, "expected": {"first_gradient": gradient, "parameters": p, **told}})
    write(name, case)


def make_advantages():
    random = np.random.default_rng(300)
    reward, value, truncated = (random.normal(size=(5, 3)) for _ in range(3))
    last, end = random.normal(size=3), np.array(ENDS)
    a, returns = advantages(reward, end, value, last, truncated, 0.9, 0.8)
    write("advantages", {"config": {"envs": 3, "steps": 5, "discount": 0.9, "lambda": 0.8}, "end": end, "reward": reward, "value": value,
                         "last_value": last, "truncated_value": truncated, "advantages": a, "returns": returns})


# ---- episodes of two environments, by their equations ------------------------------------------------------------------------------

def mountain_car(actions):
    """The published car: at the goal where p >= 0.5; the goal is taken lower here, so that it can roll back past it."""
    p, v, goal, states = -0.55, 0.0, 0.1, [(-0.55, 0.0)]
    rewards = []
    for u in actions:
        v = v + 0.1 * (-9.8 * 0.2 * np.cos(3 * p) + np.clip(u, -0.25, 0.25) / 0.2 - 0.3 * v)
        p = p + 0.1 * v
        v, p = np.clip(v, -1.5, 1.5), np.clip(p, -1.2, 0.5)
        v = 0.0 if p == -1.2 and v < 0 else v
        states.append((p, v))
        rewards.append(-np.hypot(p - goal, v))
    states = np.array(states)
    return states, rewards, np.maximum(0, goal - states[:, 0]), states[:, 0] >= goal, {"goal_position": goal, "goal_velocity": 0.0}


def pendulum(actions):
    q, v, states, rewards = 0.0, 0.0, [(0.0, 0.0)], []
    for u in actions:
        u = np.clip(u, -3, 3)
        v = v + 0.05 * (u - 9.81 * np.sin(q))
        q = q + 0.05 * v
        states.append((q, v))
        rewards.append(-(2 * (1 + np.cos(q)) + 0.1 * v * v + 0.001 * u * u))
    states = np.array(states)
    away = np.abs((states[:, 0] - np.pi + np.pi) % (2 * np.pi) - np.pi)
    return states, rewards, away, (away < 0.1) & (np.abs(states[:, 1]) < 0.5), {}


def episode(name, simulate, actions):
    states, rewards, distance, there, task = simulate(actions)
    passed = np.flatnonzero(there)
    return {"environment": name, "task": task, "actions": actions, "return": float(np.sum(rewards)), "states": states,
            "final_distance": distance[-1], "success": bool(there[-1]), "passed": len(passed) > 0,
            "success_step": int(passed[0]) if len(passed) else -1}


def make_episodes():

    actions, p, v = [], -0.55, 0.0
    for t in range(60):  # pushes along its velocity until it is over the goal, then lets go
        u = (0.25 if v >= 0 else -0.25) if p < 0.1 else -0.25
        actions.append(u)
        states = mountain_car(actions)[0]
        p, v = states[-1]
    back = [episode("mountain_car", mountain_car, actions[:n]) for n in (60, 8)]
    there = next(n for n in range(1, 61) if mountain_car(actions[:n])[3][-1])
    cases = back + [episode("mountain_car", mountain_car, actions[:there])]
    cases.append(episode("pendulum_swing_up", pendulum, [2.0 * (-1) ** (t // 20) for t in range(70)]))
    kinds = {(c["success"], c["passed"]) for c in cases}
    assert kinds == {(False, True), (False, False), (True, True)}, kinds
    write("episodes", {"episodes": cases})


if __name__ == "__main__":
    make_ppo()
    make_reinforce("reinforce", Agent, 200)
    make_reinforce("reinforce_categorical", Categorical, 210)
    make_advantages()
    make_episodes()
