"""A run that did no better than guessing is recognised from its result.json, however old or broken."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import stats

from abreast.runs.chance import Chance, at_chance, chance_of

EVEN = [[20, 10], [10, 20]]  # 30 test examples of each of two classes


def result(accuracy: float, **more: Any) -> dict[str, Any]:
    return {"metrics": {"test/accuracy": accuracy}, "classes": ["a", "b"], **more}


def test_the_record_of_the_data_comes_first() -> None:
    found = chance_of(result(0.5, data={"chance": 0.7, "test": 100}, confusion=EVEN, examples={"test": 60}))
    assert found == Chance(0.7, 100)


def test_an_older_result_is_judged_by_its_confusion_matrix() -> None:
    assert chance_of(result(0.5, confusion=[[70, 5], [20, 5]])) == Chance(0.75, 100)


def test_without_both_the_classes_are_counted() -> None:
    assert chance_of(result(0.5, confusion=None, examples={"test": 60})) == Chance(0.5, 60)


@pytest.mark.parametrize(
    "broken",
    [
        {"classes": []},
        {"classes": 5, "confusion": [[1], "x"]},
        {"classes": ["a"], "examples": {"test": 10}},
        {"examples": {"test": "many"}},
        {"data": [], "examples": 3, "confusion": [["x"]]},
    ],
)
def test_what_is_not_known_is_not_guessed(broken: dict[str, Any]) -> None:
    assert chance_of({"metrics": {"test/accuracy": 0.5}, "classes": ["a", "b"], **broken}) is None
    assert not at_chance({"metrics": {"test/accuracy": 0.1}, **broken})


@pytest.mark.parametrize("examples", [10, 360, 10_000])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_the_limit_is_what_guessing_exceeds_once_in_a_thousand_runs(level: float, examples: int) -> None:
    chance = Chance(level, examples)
    hits = round(chance.limit * examples)
    # By scipy's binomial distribution.
    assert stats.binom.sf(hits, examples, level) <= 1e-3 < stats.binom.sf(hits - 1, examples, level)
    assert chance.contains(hits / examples)
    assert not chance.contains((hits + 1) / examples)
    # What is rejected without scipy is above the limit.
    assert all(
        chance.contains(count / examples) == (count / examples <= chance.limit)
        for count in range(examples + 1)
    )
    assert chance.contains(math.nan)


def test_a_regression_is_at_chance_where_the_mean_does_as_well() -> None:
    assert at_chance({"metrics": {"test/r2": -0.01}}, "r2")
    assert not at_chance({"metrics": {"test/r2": 0.01}}, "r2")
    assert not at_chance({"metrics": {"test/mae": 5.0}}, "r2")
    assert not at_chance({}, "r2")


def test_a_run_without_a_test_is_judged_by_its_validation() -> None:
    data = {"chance": 0.1, "test": 1000, "val": 100}
    untested = {"metrics": {"val/accuracy": 0.19}, "data": data}
    assert chance_of(untested) == Chance(0.1, 100, "val")
    assert at_chance(untested)  # of 100 examples up to 20 are guessed, of 1,000 up to 130
    assert not at_chance({"metrics": {"val/accuracy": 0.19, "test/accuracy": 0.19}, "data": data})
    assert at_chance({"metrics": {"val/r2": -0.01}}, "r2")
