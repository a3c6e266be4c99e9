"""Which optimizers are recorded, and how they are made ready."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from abreast.optim.capturable import (
    CAPTURABLE,
    plain_settings,
    prepare_recording,
    rates_on_device,
    why_not_recorded,
)


@pytest.mark.parametrize("kind", CAPTURABLE)
def test_torch_lets_it_count_on_the_device(kind: Any) -> None:
    optimizer = kind([nn.Parameter(torch.zeros(2))])
    assert why_not_recorded(optimizer) is None
    assert all("capturable" in group for group in optimizer.param_groups)


def test_every_optimizer_of_torch_with_such_a_setting_is_known() -> None:
    parameter = nn.Parameter(torch.zeros(2, 2))
    for name in dir(torch.optim):
        kind: Any = getattr(torch.optim, name)
        if not isinstance(kind, type) or kind in CAPTURABLE or name in ("Optimizer", "LBFGS", "SparseAdam"):
            continue
        optimizer = kind([parameter])
        assert "capturable" not in optimizer.param_groups[0], name
        assert (why_not_recorded(optimizer) is None) == (kind is torch.optim.SGD)


def test_others_are_not_recorded() -> None:
    class Own(torch.optim.SGD):
        pass

    parameters = [nn.Parameter(torch.zeros(2, 2))]
    assert why_not_recorded(Own(parameters, lr=0.1)) == (
        "Own may count its steps, or decide something, on the host"
    )


def test_counts_move_to_the_device_and_a_run_that_moves_to_the_cpu_counts_there() -> None:
    parameter = nn.Parameter(torch.zeros(2, device="meta"))
    optimizer = torch.optim.NAdam([parameter])
    optimizer.state[parameter] = {"step": torch.tensor(3.0), "mu_product": torch.tensor(0.5)}
    group: dict[str, Any] = optimizer.param_groups[0]
    prepare_recording([optimizer], False)
    assert not group["capturable"]
    prepare_recording([optimizer], True)
    assert group["capturable"]
    assert {value.device.type for value in optimizer.state[parameter].values()} == {"meta"}
    on_cpu = torch.optim.RMSprop([nn.Parameter(torch.ones(2))])
    on_cpu.param_groups[0]["capturable"] = True  # as the checkpoint of a run on a GPU has it
    prepare_recording([on_cpu], False)
    assert on_cpu.param_groups[0]["capturable"] is False


def test_settings_are_what_a_graph_would_hold() -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(2))], lr=0.1)
    before = plain_settings([optimizer])
    with rates_on_device(optimizer, lambda group, value: torch.tensor(value)):
        inside = plain_settings([optimizer])
        optimizer.param_groups[0]["lr"].fill_(0.2)
        assert plain_settings([optimizer]) == inside
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert plain_settings([optimizer]) == before
    optimizer.param_groups[0]["betas"] = (0.8, 0.999)
    assert plain_settings([optimizer]) != before
