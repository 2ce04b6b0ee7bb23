#!/usr/bin/env python3
"""A learned loss in PyTorch (or NumPy, where torch is missing), from the loss.safetensors of a run.

    loss = load_loss("runs/first/loss.safetensors")
    loss(features).backward()              # features[rows, len(loss.names)], columns as loss.names says

`scripts/load_loss.py FILE < rows.csv` prints the loss of the rows.
"""
import json, sys
import numpy as np
try:
    import torch as xp
    tensor = lambda a: xp.from_numpy(np.array(a))
except ImportError:
    xp, tensor = np, np.asarray

ACTIVATIONS = {"identity": lambda x: x, "tanh": xp.tanh, "relu": lambda x: x * (x > 0), "sigmoid": lambda x: 1 / (1 + xp.exp(-x)),
               "elu": lambda x: xp.where(x > 0, x, xp.expm1(x * (x < 0))), "softplus": lambda x: xp.logaddexp(x, 0 * x)}


def load_loss(path):
    raw = open(path, "rb").read()  # 8 bytes: length of the JSON header; then the tensors (safetensors)
    begin = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:begin])
    spec = json.loads(header.pop("__metadata__")["spec"])
    if spec["kind"] != "learned": raise ValueError(f"{path}: a learned start, not a learned loss")
    t = {name: tensor(np.frombuffer(raw[begin + e["data_offsets"][0]:begin + e["data_offsets"][1]],
                                    {"F32": "<f4", "F64": "<f8"}[e["dtype"]]).reshape(e["shape"])) for name, e in header.items()}
    hidden, output, layers = ACTIVATIONS[spec["activation"]], ACTIVATIONS[spec["output"]], len(spec["hidden"]) + 1

    targets = spec.get("targets", [])
    bases, factors = (spec.get(key, [0] * len(targets)) for key in ("target_bases", "target_factors"))
    others = [i for i, column in enumerate(spec["columns"]) if column not in targets]

    def network(x, prefix):
        for i in range(layers):
            x = x @ t[f"{prefix}weight{i}"].T + (t[f"{prefix}bias{i}"] if spec["bias"] else 0)
            x = hidden(x) if i < layers - 1 else x
        return x

    def off_target(features, seen):
        h, value = network(seen[:, others], "target_"), 0
        for i, (target, base, factor) in enumerate(zip(targets, bases, factors)):
            by = features[:, factor - 1] if factor > 0 else int(factor == 0)
            aim = h[:, i] * by + (features[:, base - 1] if base else 0)
            value = value + 0.5 * (features[:, target] - aim) ** 2
        return value

    def loss(features):
        seen = (features[:, spec["columns"]] - t["shift"]) * t["scale"]
        if spec.get("only_targets"): return off_target(features, seen).mean()
        x = network(seen, "")
        values, z = output(x[:, 0]), x[:, -1]
        if targets: values = values + off_target(features, seen)
        if spec.get("base", -1) >= 0: values = values + features[:, spec["base"]]
        if spec["weighting"] == "none": return values.mean()
        if spec["weighting"] == "sigmoid": return (values * 2 / (1 + xp.exp(-z))).mean()
        weights = xp.exp(5 * xp.tanh(z / 5))
        return (values * weights).sum() / weights.sum()

    loss.names, loss.spec, loss.tensors = spec["features"], spec, t
    return loss


if __name__ == "__main__":
    loss = load_loss(sys.argv[1])
    dtype = np.asarray(loss.tensors["shift"]).dtype
    print(float(loss(tensor(np.loadtxt(sys.stdin, delimiter=",", ndmin=2, dtype=dtype)))))
