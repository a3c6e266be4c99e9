"""Lookahead, against its algorithm written out and another implementation."""

from __future__ import annotations

import pytest
import pytorch_optimizer
import torch
from torch import nn

from abreast.optim import Lookahead


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2).double()


def trained(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(8, 3, generator=generator, dtype=torch.float64)).exp().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("steps", [4, 5, 13])
def test_it_is_pytorch_optimizers(steps: int) -> None:
    ours, theirs = network(), network()
    trained(ours, Lookahead(ours.parameters(), lr=0.1, base="Adam", alpha=0.3), steps)
    base = torch.optim.Adam(theirs.parameters(), lr=0.1)
    trained(theirs, pytorch_optimizer.Lookahead(base, k=5, alpha=0.3), steps)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_by_hand() -> None:
    # Gradient 1 and lr 0.1: fast weights go down by 0.2 in two steps, slow ones follow half of the way.
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = Lookahead([weight], lr=0.1, k=2, alpha=0.5, base="SGD")
    for expected in (0.9, 0.9, 0.8, 0.8):
        weight.grad = torch.ones(1)
        optimizer.step()
        assert weight.item() == pytest.approx(expected)


def test_a_schedule_scales_the_base() -> None:
    optimizer = Lookahead(network().parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    trained(network(), optimizer, 1)
    schedule.step()
    assert [group["lr"] for group in optimizer.base.param_groups] == [0.05]
