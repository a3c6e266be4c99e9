"""Asynchronous successive halving: who continues, and who continues later (Li et al. 2020, algorithm 2)."""

from __future__ import annotations

import math

import pytest

from hydra_plugins.abreast_launcher._asked_jobs import Arrival
from hydra_plugins.abreast_search._rungs import Rungs


def rungs(keep: float = 1 / 3) -> Rungs:
    return Rungs((1, 3), keep)


def at(rung: int, *costs: float, first: int = 0, split: str = "") -> list[Arrival]:
    return [Arrival(number, rung, split, cost) for number, cost in enumerate(costs, first)]


def going_on(search: Rungs, arrivals: list[Arrival], clock: int = 1, *, is_last: bool = False) -> list[int]:
    return [v.arrival.number for v in search.judge(arrivals, clock, is_last=is_last) if v.is_promoted]


@pytest.mark.parametrize(
    ("keep", "costs", "best"),
    [
        (1 / 3, (0.3, 0.1, 0.2), [1]),
        (1 / 3, (0.3, 0.1), []),  # fewer than three: nobody is known to be among the best third
        (1 / 3, (0.6, 0.5, 0.4, 0.3, 0.2, 0.1), [4, 5]),  # in spite of rounding: 6 * (1 / 3) is 2
        (0.1, (*(0.1 * n for n in range(30)),), [0, 1, 2]),  # 30 * 0.1 is 3.0000000000000004
        (0.5, (0.2, 0.2, 0.2, 0.2), [0, 1]),  # of equals the first
        (0.5, (math.inf, 0.1), [1]),
    ],
)
def test_the_best_share_of_what_has_arrived_goes_on(
    keep: float, costs: tuple[float, ...], best: list[int]
) -> None:
    assert going_on(rungs(keep), at(1, *costs)) == best


def test_a_trial_is_compared_with_all_that_came_before() -> None:
    search = rungs()
    assert going_on(search, at(1, 0.1, 0.2, 0.3)) == [0]
    assert going_on(search, at(1, 0.15, 0.9, 0.25, first=3), 2) == [3]
    assert going_on(search, at(3, 0.7, first=0), 3) == []  # another rung
    assert search.dropped == {1: 4, 3: 1}


def test_splits_are_not_compared() -> None:
    search = rungs(0.5)
    both = [*at(1, 0.1, 0.2, split="a"), *at(1, 0.8, 0.9, first=2, split="b")]
    assert going_on(search, both) == [0, 2]


def test_one_that_was_dropped_goes_on_when_it_is_among_the_best() -> None:
    """At the highest rung first, and each only once."""
    search = rungs()
    going_on(search, at(1, 0.1, 0.2, 0.3))
    assert search.promotable(1, is_last=False) is None
    going_on(search, at(1, 0.9, 0.8, 0.7, first=3), 2)
    assert search.promotable(2, is_last=False) == (1, 1)
    assert search.promotable(1, is_last=False) is None  # what came later does not count yet
    assert search.promotable(2, is_last=False, without={1}) is None  # it has not ended
    going_on(search, at(3, 0.5), 3)
    going_on(search, at(3, 0.6, first=7), 4)
    going_on(search, at(3, 0.7, first=8), 5)
    assert search.promotable(5, is_last=False) == (0, 3)
    search.promote(0, 3)
    assert search.promotable(5, is_last=False) == (1, 1)
    search.promote(1, 1)
    assert search.promotable(9, is_last=False) is None


def test_one_goes_on_where_no_other_may_come() -> None:
    search = rungs()
    assert going_on(search, at(1, 0.2, 0.1), is_last=True) == [1]
    later = rungs()
    going_on(later, at(1, 0.2, 0.1))
    assert later.promotable(1, is_last=True) == (1, 1)


def test_what_was_said_is_not_said_anew() -> None:
    """A trial that reaches a rung again, as its search was killed, is told the same, whoever came since."""
    search, again = rungs(), rungs()
    first = search.judge(at(1, 0.3, 0.1, 0.2), 1, is_last=False)
    for verdict in (*first, *search.judge(at(1, 0.0, first=3), 2, is_last=False)):
        again.note(verdict)
    assert again.judge(at(1, 0.3, 0.1, 0.2), 1, is_last=False) == first
    assert [verdict.rank for verdict in first] == [
        "rank 3 of 3 so far",
        "rank 1 of 3 so far",
        "rank 2 of 3 so far",
    ]
