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


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = summarise([0.1, 0.1, 0.1])  # their computed mean is not exactly 0.1
    assert found.sd == 0.0
    assert found.low == found.high == found.mean
