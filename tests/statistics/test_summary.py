"""Means and intervals, against worked examples."""

from __future__ import annotations

import math

import pytest

from abreast.statistics.summary import summarise

# Student (1908), "The probable error of a mean", Biometrika 6(1), p. 20: hours of sleep gained, by patient.
DRUG_1 = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))


def test_summary_of_the_sleep_data() -> None:
    # Mean 0.75, sd 1.78901, and t(0.975, 9) = 2.262157 from any table of Student's t.
    found = summarise(DRUG_1.values())
    assert found.n == 10
    assert found.mean == pytest.approx(0.75)
    assert found.sd == pytest.approx(1.78901, abs=1e-5)
    assert found.half == pytest.approx(2.262157 * 1.78901 / math.sqrt(10), abs=1e-5)
    assert found.low == pytest.approx(found.mean - found.half)


@pytest.mark.parametrize(
    ("values", "mean"),
    [([], None), ([0.5], 0.5)],
)
def test_fewer_than_two_values_have_no_interval(values: list[float], mean: float | None) -> None:
    found = summarise(values)
    assert (found.n, found.mean) == (len(values), mean)
    assert found.sd is found.low is found.high is found.half is None


def test_equal_values_have_an_interval_of_some_width() -> None:
    """Equal shares of 360 examples: a variable with two neighbouring values has an sd of up to 1/720."""
    found = summarise([0.1, 0.1, 0.1], examples=360)  # their computed mean is not exactly 0.1
    assert found.sd == 0.0
    assert found.half == pytest.approx(4.302653 / 720 / math.sqrt(3))  # t(0.975, 2) of any table
    without = summarise([0.1, 0.1, 0.1])
    assert without.half is not None
    assert 0 < without.half < 1e-6  # the rounding of stored metrics


def test_the_interval_ends_at_the_bounds() -> None:
    found = summarise([1.0, 1.0, 0.99, 1.0], bounds=(0.0, 1.0))
    assert (found.high, found.n) == (1.0, 4)
    assert found.low is not None
    assert found.low < 0.99
    assert found.half == pytest.approx((found.mean or 0) - found.low)


def test_collapsed_runs_are_counted_apart() -> None:
    found = summarise([0.96, 0.97, 0.98, math.nan], collapsed=1)
    assert (found.n, found.collapsed) == (3, 2)
    assert found.mean == pytest.approx(0.97)
    # 2 of 5: 0.0527 and 0.8534 in any table of exact binomial limits.
    assert (found.collapsed_low, found.collapsed_high) == pytest.approx((0.0527, 0.8534), abs=5e-5)
    assert summarise([], collapsed=3).mean is None
