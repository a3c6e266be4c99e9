"""The short way to a fused step gives the bits of torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from abreast.optim.fused_step import fused_step
from support.helpers import same
from support.patches import needs_patch

pytestmark = needs_patch("fused_step")

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


@pytest.mark.parametrize("kind", [Adam, SGD])
def test_what_has_no_gradient_is_left_out(kind: Any) -> None:
    """A part of the network that a step does not use, or not at first, or that is frozen."""
    found = []
    for short in (False, True):
        optimizer = built(lambda groups: kind(groups, fused=True), ((4,), (3, 2)))
        parameters = optimizer.param_groups[0]["params"]
        trained(optimizer, optimizer.step, range(1))
        step = fused_step(optimizer) if short else optimizer.step
        assert step is not None
        for number in range(6):
            for parameter in parameters:
                parameter.grad = torch.full_like(parameter, number)
            if number % 2:
                parameters[1].grad = None
            step()
        found.append((parameters, optimizer.state_dict()))
    assert same(found[0], found[1])


def test_before_every_parameter_has_stepped_there_is_none() -> None:
    optimizer = built(lambda groups: Adam(groups, fused=True), ((4,), (3,)))
    assert fused_step(optimizer) is None
    trained(optimizer, optimizer.step, range(1))
    assert fused_step(optimizer) is not None
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
    assert fused_step(optimizer) is None
    momentum = built(lambda groups: SGD(groups, fused=True, momentum=0.9), ((4,),))
    assert fused_step(momentum) is None


def test_counts_are_shared_only_if_so_wished() -> None:
    optimizer = built(lambda groups: Adam(groups, fused=True), ((4,), (3,)))
    trained(optimizer, optimizer.step, range(1))
    fused_step(optimizer)
    assert len({id(each["step"]) for each in optimizer.state.values()}) == 4
    step = fused_step(optimizer, share_counts=True)
    assert len({id(each["step"]) for each in optimizer.state.values()}) == 1
    assert step is not None
    step()
    assert {float(each["step"]) for each in optimizer.state.values()} == {2.0}


def watched(optimizer: Optimizer) -> Optimizer:
    """With somebody who is to be told of each step."""
    optimizer.register_step_post_hook(lambda *_: None)
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda groups: Adam(groups),
        lambda groups: Adam(groups, fused=True, amsgrad=True),
        lambda groups: RMSprop(groups),
        lambda groups: type("Own", (Adam,), {})(groups, fused=True),
        lambda groups: watched(Adam(groups, fused=True)),
        lambda groups: Adam(groups[0]["params"], fused=True, lr=torch.tensor(0.1)),
        lambda groups: Adam([*groups, {"params": [nn.Parameter(torch.ones(2).double())]}], fused=True),
    ],
)
def test_others_have_none(make: Callable[..., Optimizer]) -> None:
    optimizer = built(make, ((4,),))
    trained(optimizer, optimizer.step, range(1))
    assert fused_step(optimizer) is None
