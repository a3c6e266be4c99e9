"""Which optimizers' steps can be recorded as a CUDA graph, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# Their step count can be on the device (`capturable`), so a replay counts on.
CAPTURABLE: tuple[type[Optimizer], ...] = (
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.RMSprop,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.Adadelta,
    torch.optim.ASGD,
    torch.optim.Rprop,
)


def why_not_recorded(optimizer: Optimizer) -> str | None:
    """Why the optimizer's steps cannot be recorded; None if they can."""
    kind = type(optimizer)
    if kind in CAPTURABLE or kind is torch.optim.SGD:  # SGD counts nothing
        return None
    return f"{kind.__name__} may count its steps, or decide something, on the host"


def prepare_recording(optimizers: Iterable[Optimizer], recorded: bool) -> None:
    """Let optimizers count their steps where a graph can, if steps are `recorded`; before any is taken.

    Else that is undone on the CPU, where torch refuses it: for a run that began on a GPU.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            on_cpu = [parameter.device.type == "cpu" for parameter in group["params"]]
            if "capturable" in group and recorded and not any(on_cpu):
                _count_on_device(optimizer, group)
            elif "capturable" in group and not recorded and all(on_cpu):
                group["capturable"] = False


def _count_on_device(optimizer: Optimizer, group: dict[str, Any]) -> None:
    group["capturable"] = True
    vars(optimizer)["_warned_capturable_if_run_uncaptured"] = True  # the first step is
    for parameter in group["params"]:
        state = optimizer.state.get(parameter, {})
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim == 0:
                state[key] = value.to(parameter.device)


@contextmanager
def rates_on_device(optimizer: Optimizer, rate: Callable[[int, float], Tensor]) -> Iterator[None]:
    """Let the groups' learning rates be tensors inside, so that a recorded step reads them anew.

    Args:
        optimizer: The optimizer, which takes tensors for learning rates.
        rate: Gives the tensor of a group, by its number, with a learning rate in it.
    """
    before = [group["lr"] for group in optimizer.param_groups]
    for number, group in enumerate(optimizer.param_groups):
        group["lr"] = rate(number, before[number])
    try:
        yield
    finally:
        for group, value in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = value


def plain_settings(optimizers: Iterable[Optimizer]) -> list[dict[str, object]]:
    """The numbers that a recorded step of the optimizers holds; a tensor is read anew by each replay."""
    return [
        {key: value for key, value in group.items() if key != "params" and not isinstance(value, Tensor)}
        for optimizer in optimizers
        for group in optimizer.param_groups
    ]
