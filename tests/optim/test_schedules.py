"""Learning rates over time."""

from __future__ import annotations

import math

import pytest
import torch

from abreast.build.components import build_schedule
from abreast.optim.schedules import warmup_cosine
from support.helpers import allowed, compose, options


def rates(make: object, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make(optimizer)  # type: ignore[operator]
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_warmup_then_cosine() -> None:
    found = rates(
        lambda optimizer: warmup_cosine(optimizer, total_steps=100, warmup_fraction=0.1, final_lr_ratio=0.2),
        100,
    )
    rise = [0.5 * (k + 1) / 11 for k in range(10)]
    # Loshchilov & Hutter 2017, equation 5: min + (max - min) (1 + cos(pi t / T)) / 2
    fall = [0.1 + 0.4 * (1 + math.cos(math.pi * t / 90)) / 2 for t in range(90)]
    assert found == pytest.approx(rise + fall)


def test_no_warmup_starts_at_the_full_rate() -> None:
    assert rates(lambda optimizer: warmup_cosine(optimizer, total_steps=10, warmup_fraction=0.0), 1) == [0.5]


def test_the_rate_stays_at_its_end_after_the_last_step() -> None:
    found = rates(
        lambda optimizer: warmup_cosine(optimizer, total_steps=4, warmup_fraction=0.0, final_lr_ratio=0.3), 8
    )
    assert found[5:] == pytest.approx([0.15] * 3)


@pytest.mark.parametrize("name", options("schedule"))
def test_every_schedule_is_made_and_moves(name: str) -> None:
    cfg = compose(f"schedule={name}", "optim=sgd", "optim.lr=0.5")
    with allowed():
        schedule = build_schedule(cfg, total_steps=40, total_epochs=10)
    if name == "constant":
        assert schedule is None
        return
    assert schedule is not None
    assert schedule.interval in ("step", "epoch")
    if name == "plateau":
        assert schedule.monitor == "val/loss"
        return
    found = rates(schedule.make, 40)
    assert max(found) <= 0.5 + 1e-12
    assert len(set(found)) > 1
