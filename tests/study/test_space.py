"""The settings that are tried, their edges, and spaces within spaces."""

from __future__ import annotations

import math
from typing import Any

import pytest

from abreast.study.space import (
    Interval,
    Values,
    contains_dimension,
    draw_settings,
    edge_messages,
    grid_size,
    read_dimension,
)

LR = Values((0.01, 0.1, 1.0))
MOMENTUM = Values((0.0, 0.9))
LOG = Interval(1e-4, 1e-1)


def test_a_whole_grid_is_tried_in_declared_order() -> None:
    tried = draw_settings({"optim.lr": LR, "optim.momentum": MOMENTUM}, 6, seed=3)
    assert [(each["optim.lr"], each["optim.momentum"]) for each in tried] == [
        *((0.01, 0.0), (0.01, 0.9), (0.1, 0.0), (0.1, 0.9), (1.0, 0.0), (1.0, 0.9))
    ]


def test_a_part_of_a_grid_is_drawn_without_replacement_and_grows_with_the_budget() -> None:
    space = {"a": Values(tuple(range(10))), "b": Values(("x", "y"))}
    sets = [{tuple(each.values()) for each in draw_settings(space, trials, seed=0)} for trials in (3, 8, 20)]
    assert [len(each) for each in sets] == [3, 8, 20]
    assert sets[0] < sets[1] < sets[2]
    assert sets[0] != {tuple(each.values()) for each in draw_settings(space, 3, seed=1)}


def test_a_part_of_a_grid_is_drawn_evenly() -> None:
    space = {"a": Values(tuple(range(5)))}
    drawn = [draw_settings(space, 1, seed)[0]["a"] for seed in range(1000)]
    counts = [drawn.count(value) for value in range(5)]
    # Chi-squared of 4 degrees of freedom: 18.5 is exceeded once in 1,000 (R: qchisq(0.999, 4) = 18.47).
    assert sum((count - 200) ** 2 / 200 for count in counts) < 18.5


def test_more_trials_than_the_grid_has_are_refused() -> None:
    with pytest.raises(ValueError, match="trials=4 of a grid of 3"):
        draw_settings({"optim.lr": LR}, 4, seed=0)


def test_random_search_draws_evenly_on_the_logarithm() -> None:
    space = {"lr": LOG, "wd": Interval(0.0, 1.0, is_log=False), "b": Values((1, 2))}
    assert grid_size(space) is None
    tried = draw_settings(space, 3000, seed=0)
    logs = [math.log10(each["lr"]) for each in tried]
    assert -4 <= min(logs) < -3.99
    assert -1.01 < max(logs) <= -1
    # Means of uniform draws: 3 sigma of n = 3000 are 3 * width / sqrt(12 n).
    assert sum(logs) / 3000 == pytest.approx(-2.5, abs=3 * 3 / math.sqrt(36000))
    assert sum(each["wd"] for each in tried) / 3000 == pytest.approx(0.5, abs=3 / math.sqrt(36000))  # type: ignore[misc]
    assert sum(each["b"] for each in tried) / 3000 == pytest.approx(1.5, abs=3 * 0.5 / math.sqrt(3000))  # type: ignore[misc]


def test_a_larger_budget_holds_the_smaller_one_and_equal_spaces_try_equal_settings() -> None:
    assert draw_settings({"lr": LOG}, 9, seed=0)[:4] == draw_settings({"lr": LOG}, 4, seed=0)
    one, other = draw_settings({"lr": LOG}, 4, seed=0), draw_settings({"lr": LOG, "wd": LOG}, 4, seed=0)
    assert [each["lr"] for each in one] == [each["lr"] for each in other]
    assert all(each["lr"] != each["wd"] for each in other)


@pytest.mark.parametrize(
    ("dimension", "value", "is_edge"),
    [
        (LR, 0.01, True),
        (LR, 0.1, False),
        (LR, 1.0, True),
        (Values((0.1,)), 0.1, False),  # fixed
        (MOMENTUM, 0.0, False),  # no momentum: there is nothing below
        (MOMENTUM, 0.9, True),
        (Values(("cosine", "constant")), "cosine", False),
        (Values((True, False)), True, False),
        (Values((1.0, 0.1, 0.01)), 1.0, True),  # in whatever order
        (LOG, 1e-4, True),
        (LOG, 1.4e-4, True),  # 1e-4 * 1000^0.05 = 1.41e-4
        (LOG, 1.5e-4, False),
        (LOG, 0.07, False),  # 1e-1 / 1000^0.05 = 0.0708
        (LOG, 0.071, True),
        (Interval(0.0, 1.0, is_log=False), 0.0, False),
        (Interval(0.0, 1.0, is_log=False), 0.96, True),
        (Interval(0.0, 1.0, is_log=False), 0.94, False),
    ],
)
def test_edges(dimension: Any, value: bool | float | str, is_edge: bool) -> None:
    assert bool(list(edge_messages({"k": dimension}, {"k": value}))) is is_edge


def test_an_edge_is_named_with_what_was_tried() -> None:
    assert list(
        edge_messages({"optim.lr": LR, "optim.momentum": MOMENTUM}, {"optim.lr": 1.0, "optim.momentum": 0.0})
    ) == ["optim.lr=1 is at the edge of [0.01, 0.1, 1]: values beyond it may be better"]


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (LR, Values((0.1,)), True),
        (LR, Values((0.2,)), False),
        (LOG, LR, False),
        (LOG, Values((0.01, 0.1)), True),
        (LOG, Interval(1e-3, 1e-2), True),
        (LOG, Interval(1e-3, 1.0), False),
        (Values((1e-3, 1e-2)), Interval(1e-3, 1e-2), False),
        (LOG, Values(("auto",)), False),
    ],
)
def test_a_dimension_within_another(outer: Any, inner: Any, expected: bool) -> None:
    assert contains_dimension(outer, inner) is expected


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (0.1, "k: 0.1 is not a dimension; write a list of values or {low: 1e-4, high: 0.1}"),
        ([], "k: an empty list has nothing to try; give it values, or null to remove the dimension"),
        ([0.1, 0.2, 0.1], "k: [0.1, 0.2, 0.1] contains a value twice"),
        ({"lo": 1, "high": 2}, "k.lo: unknown key. An interval has low, high, scale. Did you mean low?"),
        ({"low": 2, "high": 1}, "k: an interval requires two numbers low < high, got low=2, high=1"),
        ({"low": 1}, "k: an interval requires two numbers low < high, got low=1, high=None"),
        ({"low": 0, "high": 1}, "k: low=0 has no logarithm; write a low greater than 0, or scale: linear"),
        ({"low": 0, "high": 1, "scale": "ln"}, "k.scale: must be one of log, linear, got ln"),
    ],
)
def test_what_is_no_dimension_is_said(node: Any, message: str) -> None:
    assert read_dimension("k", node) == message


def test_what_is_one_is_read() -> None:
    assert read_dimension("k", [1, "a"]) == Values((1, "a"))
    assert read_dimension("k", {"low": 1, "high": 2, "scale": "linear"}) == Interval(1.0, 2.0, is_log=False)
