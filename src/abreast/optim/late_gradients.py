"""Gradients that come later than others, as those of an expert that is first chosen after some steps."""

from __future__ import annotations

import torch
from torch.optim import SGD, Optimizer

from abreast.errors import ConfigError


def prepare_late_gradients(optimizer: Optimizer) -> None:
    """Let torch's fused SGD take gradients of parameters that had none at its earlier steps.

    Its kernel takes a momentum of all parameters or of none. A momentum of zero makes the next step what the
    first one is, unless it is dampened: the first is not.

    Args:
        optimizer: Any; its gradients are those of the next step.

    Raises:
        ConfigError: The step is dampened, and some gradients are late.
    """
    if type(optimizer) is not SGD:
        return
    for group in optimizer.param_groups:
        if not (group["fused"] and group["momentum"]):
            continue
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        late = [p for p in moved if optimizer.state[p].get("momentum_buffer") is None]
        if 0 < len(late) < len(moved):
            if group["dampening"]:
                raise ConfigError(
                    "optim.dampening: torch's fused SGD takes no gradient that comes later than others; "
                    "write optim.fused=false"
                )
            for parameter in late:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
