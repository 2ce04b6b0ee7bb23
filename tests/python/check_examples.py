"""examples/python, and losses and policies in PyTorch and JAX, as scripts/python_check --train runs them."""
import os, pathlib, subprocess, sys, tempfile, warnings

from checking import run, test

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.env_checker import check_env

import ml3

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/python"
ZOO = sorted(entry.name for entry in (EXAMPLES.parents[1] / "zoo").iterdir() if entry.is_dir())


def output(name, *arguments):
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    return subprocess.run([sys.executable, EXAMPLES / name, *arguments], check=True, capture_output=True, text=True, env=environment).stdout


@test
def losses_in_pytorch_are_those_in_numpy_and_differentiable():
    for name in ZOO:
        loss = ml3.load_loss(f"zoo:{name}")
        rows = np.random.default_rng(3).normal(size=(6, len(loss.names))).astype(np.float32)
        module, x = loss.torch(), torch.tensor(rows, requires_grad=True)
        value = module(x)
        value.backward()
        assert abs(value.item() - loss.numpy(rows)) < 1e-4 * max(1, abs(value.item())), name
        assert value.item() == module({key: x[:, i] for i, key in enumerate(loss.names)}).item()
        row, column, step = 2, loss.spec["columns"][-1], 1e-2
        moved = [loss.numpy(rows + s * step * np.eye(6, len(loss.names), column - row, dtype=np.float64) * (np.arange(6) == row)[:, None]) for s in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * step)
        assert abs(slope - x.grad[row, column].item()) < 2e-2 * max(0.05, abs(slope)), (name, slope, x.grad[row, column].item())
        assert not list(module.parameters())  # a fixed loss


@test
def losses_in_jax_are_those_in_numpy():
    try:
        import jax
    except ImportError:
        print("   skipped: no jax")
        return
    for name in ZOO:
        loss = ml3.load_loss(f"zoo:{name}")
        rows = np.random.default_rng(3).normal(size=(6, len(loss.names))).astype(np.float32)
        function = jax.jit(loss.jax())
        assert abs(float(function(rows)) - loss.numpy(rows)) < 1e-4 * max(1, abs(loss.numpy(rows))), name
        x = torch.tensor(rows, requires_grad=True)
        loss.torch()(x).backward()
        assert np.allclose(jax.grad(loss.jax())(rows), x.grad.numpy(), rtol=1e-3, atol=1e-5), name


@test
def policies_in_pytorch_act_as_in_numpy_and_can_be_trained():
    policy = ml3.Learner("zoo:reacher").learn(2).policy
    module, obs = policy.torch(), np.random.default_rng(4).normal(size=(5, policy.inputs))
    assert np.allclose(module(obs).detach().numpy(), policy.predict(obs), atol=1e-5)
    module(obs).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


@test
def a_torch_policy_learns_by_a_learned_loss():
    said = output("torch_policy.py").splitlines()
    assert "at the flag" not in said[0] and "at the flag" in said[-1], said


@test
def stable_baselines3_learns_with_it():
    said = [float(line.split()[-1]) for line in output("sb3_callback.py").splitlines()]
    assert said[0] < 10 and said[1] > 80, said


@test
def stable_baselines3s_checker_warns_of_nothing_but_ranges():
    """Ranges of actions other than [-1, 1] are those of Gymnasium's own environments of that name."""
    for spec in ml3.library.specs():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(gymnasium.make(spec.gymnasium_id).unwrapped)
        others = [str(w.message) for w in caught if "symmetric and normalized Box action space" not in str(w.message)]
        assert not others, (spec.name, others)


@test
def the_notebook_trains_teaches_plots_and_exports():
    with tempfile.TemporaryDirectory() as folder:
        said = output("notebook.py", f"{folder}/run")
        made = ml3.load_run(f"{folder}/run")
        returns = made.metrics.points("charts/episodic_return")[1]
        assert returns[-1] > 3 * returns[0], returns
        assert {"notebook.png", "policy.pt"} <= {entry.name for entry in made.path.iterdir()} and "logits in PyTorch" in said


run()
