"""Learned losses and policies as modules of PyTorch, which is imported here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from ml3.networks import Loss, Policy


class LossModule(torch.nn.Module):
    """loss(rows) or loss({"prediction": ..., "target": ...}): one number to descend; gradients go through to what the columns are made
    of. names: of the columns."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.names, self.rate, self._loss = loss.names, loss.rate, loss
        for name, x in loss.tensors.items():
            self.register_buffer(name, torch.from_numpy(x.copy()))

    def forward(self, rows: Any) -> torch.Tensor:
        tensors = dict(self.named_buffers())
        rows = self._loss._rows(torch, rows).to(tensors["shift"].dtype)
        value: torch.Tensor = self._loss._function(torch, tensors)(rows)
        return value


class PolicyModule(torch.nn.Module):
    """policy(inputs[..., observations + goal]): mean actions within their bounds, or logits. log_std: of a Gaussian policy whose deviation
    does not depend on the state."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self._policy = policy
        for name in ("shift", "scale", "action_low", "action_high"):
            self.register_buffer(name, torch.from_numpy(policy.tensors[name].copy()))
        for name, x in policy.parameters.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(np.array(x))))

    def forward(self, inputs: Any) -> torch.Tensor:
        t = {**dict(self.named_buffers()), **dict(self.named_parameters())}
        action: torch.Tensor = self._policy.function(torch, t)(torch.as_tensor(inputs, dtype=t["shift"].dtype))
        return action
