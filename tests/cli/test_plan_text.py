"""A plan in the terminal: what it says in 80 and in 40 columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from abreast.cli.parts import ASKING, Estimate, Part, PlannedRun
from abreast.cli.plan_json import content
from abreast.cli.plan_text import format_bytes, format_range, print_plan
from abreast.cli.planner import Multirun, Planned
from abreast.stacking.cost import Cost
from support.helpers import compose

COST = Cost(epochs=10.0, epoch=(0.1, 0.2), outside=0.5, run_bytes=2e6, epoch_bytes=1e3)


def planned(finished: int = 0, repeated: int = 0, invalid: Mapping[str, int] | None = None) -> Planned:
    batch = SimpleNamespace(finished=finished, repeated=repeated, invalid=invalid or {})
    varied = {"seed": [f"seed={number}" for number in range(9)]}
    return Planned(None, Multirun(OmegaConf.create(), [batch], varied, Path("runs")), Path("runs"))


def part(runs: int, reason: str | None = None, **more: Any) -> Part:
    return Part("", [PlannedRun(compose(), f"loss={'ab'[n % 2]}") for n in range(runs)], reason, **more)


@pytest.mark.parametrize("width", [80, 40])
def test_every_line_fits(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part(30, cost=COST), part(2, "LBFGS evaluates the loss several times per step", cost=COST)]
    unmeasured = part(3, "hydra/launcher=basic trains no stacks", note="MNIST is not on this machine")
    estimate = Estimate([*parts, unmeasured], start=5.0)
    plan = planned(finished=3, repeated=1, invalid={"optim.lr: must be at least 0, got -1": 2})
    print_plan(plan, estimate, Console(width=width, highlight=False))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "\x1b" not in out
    words = " ".join(out.split())
    assert "35 runs: seed=0,...,8 (9 values)" in words
    assert "Finished already, in runs: 3 runs" in words
    assert "2 jobs would fail: optim.lr: must be at least 0, got -1" in words
    assert "at least" in words
    assert "3 runs could not be measured" in words
    assert "about 64 MB" in words


def test_ranges_and_sizes_are_short() -> None:
    assert format_range((0.2, float("inf"))) == "no end"
    assert format_range((5.0, 200.0)) == "5 s to 3.3 min"
    assert format_range((7.0, 7.2)) == "7 s"
    assert format_bytes(500.0) == "0.5 kB"
    assert format_bytes(3e12) == "3,000 GB"


def test_what_may_not_be_run_counts_at_the_upper_end_only() -> None:
    estimate = Estimate([part(2, cost=COST), part(10, cost=COST, is_certain=False)], start=0.0)
    low, high = estimate.total() or (0.0, 0.0)
    assert low == pytest.approx(COST.seconds(2)[0])
    assert high == pytest.approx(COST.seconds(12)[1])
    made = content(planned(), estimate)
    assert (made["runs"], made["certain_runs"]) == (12, 2)


@pytest.mark.parametrize(
    ("asked", "most", "rungs", "line"),
    [
        (False, None, (), "1 stack of 9 lanes 9"),
        (False, 9, (), "1 stack of 9 lanes 9"),
        (False, 8, (), "1 stack of 5 lanes, 4 runs wait for a free lane"),
        (True, 8, (1, 3, 10), "1 stack of 8 lanes, 1 run waits for a free lane"),
        (True, 1, (), "1 stack of 1 lane, 8 runs wait for a free lane"),
    ],
)
def test_a_stack_says_which_runs_wait_and_when_they_are_dropped(
    asked: bool, most: int | None, rungs: tuple[int, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    halving = (rungs, 1 / 3)
    estimate = Estimate([part(9, cost=COST, most=most, is_asked=asked)], start=0.0, halving=halving)
    print_plan(planned(), estimate, Console(width=120, highlight=False))
    words = " ".join(capsys.readouterr().out.split())
    assert line in words
    assert ("halved asynchronously after epochs 1, 3 " in words) == bool(rungs)
    assert content(planned(), estimate)["parts"][0]["lanes"] == int(line.split()[3])


def test_asynchronous_halving_drops_fewer_at_most() -> None:
    """9 to 3 to 1 at the least; at the most the square root of their number more, 6 and 5."""
    asked = Estimate([part(9, cost=COST, most=3, is_asked=True)], start=0.0, halving=((1, 3), 1 / 3))
    low, high = asked.seconds(asked.parts) or (0.0, 0.0)  # with what it takes to ask for trials
    assert low == pytest.approx(COST.seconds(9, 22 / 90)[0] + 9 * ASKING[0])
    assert high == pytest.approx(COST.seconds(9, (9 + 2 * 6 + 7 * 5) / 90)[1] + 9 * 3 * ASKING[1])
    assert asked.bytes() == pytest.approx(COST.bytes(9, 56 / 90))


def test_halving_leaves_a_share_of_the_epochs() -> None:
    """9 lanes for 1 epoch, 3 for 2, 1 for 7: 22 of 90."""
    estimate = Estimate([part(9, cost=COST)], start=0.0, halving=((1, 3), 1 / 3))
    assert estimate.seconds(estimate.parts) == pytest.approx(COST.seconds(9, 22 / 90))
    alone = Estimate(
        [part(9, "hydra/launcher=basic trains no stacks", cost=COST)], 0.0, halving=((1, 3), 1 / 3)
    )
    assert alone.seconds(alone.parts) == pytest.approx(COST.seconds(9))
