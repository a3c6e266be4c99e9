"""The expected best of k trials, against the mean over every subset of k."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import fmean
from typing import Any

import pytest

from abreast.study.budget import budgets, expected_best

SCORES = [0.91, 0.97, 0.5, 0.97, 0.88, 0.93]


@pytest.mark.parametrize(("mode", "best"), [("max", max), ("min", min)])
@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_it_is_the_mean_over_all_subsets(mode: Any, best: Any, count: int) -> None:
    scores = SCORES[:count]
    every = [fmean(map(best, combinations(scores, k))) for k in range(1, count + 1)]
    assert expected_best(scores, mode, math.nan) == pytest.approx(every, rel=1e-12)


def test_failed_trials_count_as_the_worst() -> None:
    scores = [0.9, None, 0.6, None]
    every = [fmean(map(max, combinations([0.9, 0.0, 0.6, 0.0], k))) for k in range(1, 5)]
    assert expected_best(scores, "max", 0.0) == pytest.approx(every, rel=1e-12)


@pytest.mark.parametrize(("mode", "worst"), [("min", math.inf), ("max", -math.inf)])
def test_where_only_failures_may_be_drawn_and_they_are_endlessly_bad_so_is_the_expectation(
    mode: Any, worst: Any
) -> None:
    curve = expected_best([0.9, None, None], mode, worst)
    assert curve == [worst, worst, 0.9]


def test_all_trials_give_the_best_one_and_more_trials_are_never_worse() -> None:
    curve = expected_best(SCORES, "max", 0.0)
    assert curve[-1] == 0.97
    assert curve == sorted(curve)


def test_the_budgets_that_are_shown() -> None:
    assert [budgets(count) for count in (1, 2, 5, 8)] == [[1], [1, 2], [1, 2, 4, 5], [1, 2, 4, 8]]
