"""The short ways give the bits of torch's own: fused steps, and the sum of a batch's losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from abreast.stacking.fused import fused_step
from abreast.stacking.losses import mean_of
from helpers import same

GROUPS = (0.01, 0.3)  # learning rates


def built(make: Callable[..., Optimizer], shapes: tuple[tuple[int, ...], ...]) -> Optimizer:
    generator = torch.Generator().manual_seed(0)
    groups = []
    for lr in GROUPS:
        parameters = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        groups.append({"params": parameters, "lr": lr})
    return make(groups)


def trained(optimizer: Optimizer, step: Callable[[], Any], steps: range, schedule: Any = None) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number in steps:
        generator = torch.Generator().manual_seed(number)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(torch.randn(parameter.shape, generator=generator))
        step()
        if schedule is not None:
            schedule.step()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Adam, {}),
        (Adam, {"betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
        (AdamW, {"weight_decay": 0.1}),
        (SGD, {}),
        (SGD, {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
        (SGD, {"momentum": 0.9, "nesterov": True}),
    ],
    ids=str,
)
@pytest.mark.parametrize("schedule", [None, CosineAnnealingLR, OneCycleLR])
def test_fused_steps(kind: Any, settings: dict[str, Any], schedule: Any) -> None:
    arguments: dict[Any, dict[str, Any]] = {
        CosineAnnealingLR: {"T_max": 9},
        OneCycleLR: {"max_lr": 0.1, "total_steps": 12, "cycle_momentum": "momentum" in settings},
    }
    found = []
    for short in (False, True):
        optimizer = built(lambda groups: kind(groups, fused=True, **settings), ((3, 5, 16), (7,), (2, 2)))
        moved = schedule(optimizer, **arguments[schedule]) if schedule else None
        trained(optimizer, optimizer.step, range(1), moved)
        step = fused_step(optimizer) if short else optimizer.step
        assert step is not None
        trained(optimizer, step, range(1, 9), moved)
        weights = [p.detach() for group in optimizer.param_groups for p in group["params"]]
        found.append((weights, optimizer.state_dict()))
    assert same(found[0], found[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda groups: Adam(groups),
        lambda groups: Adam(groups, fused=True, amsgrad=True),
        lambda groups: RMSprop(groups),
        lambda groups: type("Own", (Adam,), {})(groups, fused=True),
    ],
)
def test_others_have_none(make: Callable[..., Optimizer]) -> None:
    optimizer = built(make, ((4,),))
    trained(optimizer, optimizer.step, range(1))
    assert fused_step(optimizer) is None


@pytest.mark.parametrize("rows", [*range(1, 40), 64, 127, 128, 255, 256, 257, 272, 1000, 4096, 5001])
def test_the_sum_of_losses_is_torchs(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    scores = torch.randn(3, rows, 10, generator=generator)
    labels = torch.randint(0, 10, (3, rows), generator=generator)
    logs = scores.log_softmax(-1)
    expected = torch.stack([nn.functional.nll_loss(own, y) for own, y in zip(logs, labels, strict=True)])
    assert mean_of(logs.gather(-1, labels[..., None]).squeeze(-1)).equal(expected)
