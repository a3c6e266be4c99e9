"""A parameter whose first gradient comes late is moved as by torch's SGD that is not fused."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from abreast.errors import ConfigError
from abreast.optim.late_gradients import prepare_late_gradients

SETTINGS = {
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "decay": {"momentum": 0.9, "weight_decay": 0.1},
    "none": {},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_it_is_moved_as_without_the_fused_kernel(setting: str) -> None:
    ends = []
    for fused in (False, True):
        parameters = [nn.Parameter(torch.full((20,), 2.0)), nn.Parameter(torch.full((20,), 3.0))]
        optimizer = torch.optim.SGD(parameters, lr=0.1, fused=fused, **SETTINGS[setting])
        for step in range(6):
            generator = torch.Generator().manual_seed(step)
            parameters[0].grad = torch.randn(20, generator=generator)
            parameters[1].grad = torch.randn(20, generator=generator) if step in (2, 3, 5) else None
            prepare_late_gradients(optimizer)
            optimizer.step()
        ends.append(torch.stack([*parameters]).detach())
    torch.testing.assert_close(ends[1], ends[0])


def test_the_first_step_is_left_to_torch() -> None:
    parameters = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, fused=True)
    for parameter in parameters:
        parameter.grad = torch.ones(3)
    prepare_late_gradients(optimizer)
    assert not any(optimizer.state.values())


def test_dampening_is_refused_where_a_gradient_is_late() -> None:
    parameters = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, dampening=0.5, fused=True)
    parameters[0].grad = torch.ones(3)
    for _ in range(2):
        prepare_late_gradients(optimizer)
        optimizer.step()
    parameters[1].grad = torch.ones(3)
    with pytest.raises(ConfigError, match=re.escape("write optim.fused=false")):
        prepare_late_gradients(optimizer)
