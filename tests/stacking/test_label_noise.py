"""Runs on wrong labels share a stack with those that have the same ones, and are their plain runs."""

from __future__ import annotations

from typing import Any

from abreast.stacking.grouping import plan


def test_a_lane_is_its_plain_run(configs: Any, both: Any, check: Any) -> None:
    for lane, plain in both(configs(("data.label_noise=0.3",), ("seed=0",), ("seed=1", "loss=mse"))):
        check(lane, plain)


def test_different_noise_is_a_different_stack(configs: Any) -> None:
    noises = [(f"data.label_noise={noise}", f"seed={seed}") for seed in (0, 1) for noise in (0.0, 0.2)]
    assert plan(configs((), *noises)).stacks == [[0, 2], [1, 3]]


def test_noise_spares_the_label_that_is_ignored(configs: Any) -> None:
    """So lanes that ignore different labels have different noise; without noise they share a stack."""
    ignoring = [
        (f"loss.criterion.ignore_index={label}", f"seed={seed}") for seed in (0, 1) for label in (2, 4)
    ]
    sweep = configs(("data.label_noise=0.3",), *ignoring, ("loss=mse", "seed=0"), ("seed=1",))
    assert sorted(sorted(stack) for stack in plan(sweep).stacks) == [[0, 2], [1, 3], [4, 5]]
    assert [len(stack) for stack in plan(configs((), *ignoring)).stacks] == [4]
