"""The fixed split: exact counts, in proportion, and a pure function of its arguments."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from abreast.data.split import generator, stratified_split
from abreast.errors import ConfigError


@settings(max_examples=200, deadline=None)
@given(
    labels=st.lists(st.sampled_from([-100, 0, 1, 2, 7]), min_size=1, max_size=60),
    fraction=st.floats(0, 0.999),
    seed=st.integers(0, 5),
    regression=st.booleans(),
)
def test_every_split_is_exact_and_in_proportion(
    labels: Any, fraction: float, seed: int, regression: Any
) -> None:
    targets = torch.tensor(labels, dtype=torch.float32 if regression else torch.int64)
    if regression:
        targets = targets[:, None]
    train, held = stratified_split(targets, fraction, seed)
    n = len(labels)
    # The definition: round(fraction * n), at least 1 of two or more rows, and one stays.
    expected = min(max(round(fraction * n), 1), n - 1) if fraction else 0
    assert len(held) == expected
    assert train.dtype == held.dtype == torch.int64
    assert train.tolist() == sorted(train.tolist())
    assert held.tolist() == sorted(held.tolist())
    assert sorted(train.tolist() + held.tolist()) == list(range(n))
    if not regression:
        for label in set(labels):
            quota = expected * labels.count(label) / n
            # Largest remainder stays within quota: rounded down or up (Balinski & Young 1982).
            assert math.floor(quota) <= (targets[held] == label).sum() <= math.ceil(quota)


@pytest.mark.parametrize(
    ("counts", "fraction", "held"),
    [  # by hand: quota = round(fraction * N) * count / N, then the largest remainders
        ((50, 30, 20), 0.1, [5, 3, 2]),
        ((5, 3, 2), 0.5, [3, 1, 1]),  # 2.5, 1.5, 1.0: one row left, a tie, to the first class
        ((7, 2, 1), 0.4, [3, 1, 0]),  # 2.8, 0.8, 0.4
        ((1, 1, 1, 1), 0.5, [1, 1, 0, 0]),  # all tied
        ((9, 1), 0.01, [1, 0]),  # round gives 0, at least 1
        ((1, 1), 0.99, [1, 0]),  # round gives 2, one stays
    ],
)
def test_largest_remainder_by_hand(counts: tuple[int, ...], fraction: float, held: list[int]) -> None:
    targets = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    _, rows = stratified_split(targets, fraction, seed=3)
    assert targets[rows].bincount(minlength=len(counts)).tolist() == held


@pytest.mark.parametrize("targets", [torch.arange(1000) % 7, torch.arange(1000.0)])
def test_pure_function_of_its_arguments(targets: Any) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = stratified_split(targets, 0.1, 0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = stratified_split(targets, 0.1, 0)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    other = stratified_split(targets, 0.1, 1)
    assert not torch.equal(first[1], other[1])
    assert first[1].tolist() != list(range(100))  # drawn, not the first rows


def test_within_a_class_every_row_is_as_likely() -> None:
    targets = torch.tensor([0] * 8 + [1] * 2)
    times = torch.zeros(10)
    for seed in range(400):
        times[stratified_split(targets, 0.5, seed)[1]] += 1
    # 4 of 8 and 1 of 2: each row 200 +- 10 (binomial); 4.5 standard deviations.
    assert (times - 200).abs().max() < 45


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("fraction", [0, 0.5])
def test_nothing_to_split(n: int, fraction: float) -> None:
    train, held = stratified_split(torch.zeros(n, dtype=torch.int64), fraction, 0)
    assert train.tolist() == list(range(n))
    assert held.tolist() == []


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, math.nan, "0.1", None, True])
def test_bad_fraction(fraction: Any) -> None:
    with pytest.raises(ConfigError, match="from 0 to below 1"):
        stratified_split(torch.zeros(4), fraction, 0)


@pytest.mark.parametrize("seed", [-1, 0.5, None, "0", True])
def test_bad_seed(seed: Any) -> None:
    with pytest.raises(ConfigError, match="seed="):
        stratified_split(torch.zeros(4), 0.5, seed)


def test_streams_of_one_seed_are_not_one_stream() -> None:
    draws = [torch.rand(1000, generator=generator(0, name)) for name in ("split", "teacher")]
    draws.append(torch.rand(1000, generator=torch.Generator().manual_seed(0)))
    correlation = torch.corrcoef(torch.stack(draws)) - torch.eye(3)
    assert correlation.abs().max() < 0.15  # 4.7 standard deviations of 1 / sqrt(1000)
