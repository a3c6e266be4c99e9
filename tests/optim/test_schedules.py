"""Learning rates over time."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch

from abreast.build.components import build_schedule
from abreast.optim.schedules import cosine_restarts, polynomial, rex, warmup_cosine, warmup_stable_decay
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


def test_polynomial() -> None:
    got = rates(lambda optimizer: polynomial(optimizer, total_steps=20, power=0.9), 25)
    # Chen et al. 2016: (1 - iter / max_iter)^power
    assert got == pytest.approx([0.5 * (1 - t / 20) ** 0.9 for t in range(20)] + [0.0] * 5)


def test_polynomial_agrees_with_torch() -> None:
    torchs = torch.optim.lr_scheduler.PolynomialLR
    got = rates(lambda optimizer: polynomial(optimizer, total_steps=20, power=2.0), 20)
    assert got == pytest.approx(rates(lambda optimizer: torchs(optimizer, total_iters=20, power=2.0), 20))


def test_a_line_to_a_tenth_after_a_warmup() -> None:
    def make(optimizer: torch.optim.Optimizer) -> object:
        return polynomial(optimizer, total_steps=12, warmup_fraction=1 / 6, final_lr_ratio=0.1)

    expected = [1 / 3, 2 / 3, *(0.1 + 0.9 * (1 - t / 10) for t in range(10)), 0.1]
    assert rates(make, 13) == pytest.approx([0.5 * factor for factor in expected])


@pytest.mark.parametrize("shape", ["sqrt", "linear"])
def test_warmup_stable_decay(shape: Literal["sqrt", "linear"]) -> None:
    def make(optimizer: torch.optim.Optimizer) -> object:
        return warmup_stable_decay(
            optimizer, total_steps=100, warmup_fraction=0.1, decay_fraction=0.25, shape=shape
        )

    # Haegele et al. 2024, equation 1: 1 - sqrt((n - (N - N_decay)) / N_decay), N = 100, N_decay = 25
    fall = [1 - (math.sqrt(k / 25) if shape == "sqrt" else k / 25) for k in range(26)]
    expected = [(t + 1) / 11 for t in range(10)] + [1.0] * 65 + fall
    assert rates(make, 101) == pytest.approx([0.5 * factor for factor in expected], abs=1e-12)


@pytest.mark.parametrize(("warmup", "decay"), [(0.0, 1.0), (0.5, 1.0), (0.3, 0.0), (0.0, 0.0)])
def test_phases_without_steps(warmup: float, decay: float) -> None:
    got = rates(
        lambda optimizer: warmup_stable_decay(
            optimizer, total_steps=8, warmup_fraction=warmup, decay_fraction=decay
        ),
        9,
    )
    assert all(0 <= rate <= 0.5 for rate in got)
    assert got[-1] == (0.0 if decay else 0.5)


def test_cosine_restarts_agree_with_torch() -> None:
    # 70 steps: periods of 10, 20 and 40, as T_0 = 10 and T_mult = 2 give.
    torchs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    got = rates(lambda optimizer: cosine_restarts(optimizer, total_steps=70, cycles=3), 70)
    expected = rates(lambda optimizer: torchs(optimizer, T_0=10, T_mult=2), 70)
    assert got == pytest.approx(expected, abs=1e-12)
    assert [step for step in range(70) if got[step] == 0.5] == [0, 10, 30]


def test_one_period_is_the_cosine() -> None:
    got = rates(lambda optimizer: cosine_restarts(optimizer, total_steps=9, cycles=1), 12)
    expected = rates(lambda optimizer: warmup_cosine(optimizer, total_steps=9, warmup_fraction=0.0), 12)
    assert got == pytest.approx(expected)


def test_rex() -> None:
    got = rates(lambda optimizer: rex(optimizer, total_steps=10), 12)
    # Chen, Wolfe & Kyrillidis 2021: z = (T - t) / T, z / (1/2 + z/2); 2/3 at half of the training
    assert got == pytest.approx([0.5 * (1 - t / 10) / (0.5 + 0.5 * (1 - t / 10)) for t in range(10)] + [0, 0])
    assert got[5] == pytest.approx(0.5 * 2 / 3)


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
