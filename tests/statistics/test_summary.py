"""Means and intervals, against worked examples."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from abreast.statistics.summary import summarise

# Student (1908), "The probable error of a mean", Biometrika 6(1), p. 20: hours of sleep gained, by patient.
DRUG_1 = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))


def test_summary_of_the_sleep_data() -> None:
    # Mean 0.75, sd 1.78901, and t(0.975, 9) = 2.262157 from any table of Student's t.
    found = summarise(DRUG_1.values())
    assert found.n == 10
    assert found.mean == pytest.approx(0.75)
    assert found.sd == pytest.approx(1.78901, abs=1e-5)
    error = 1.78901 / math.sqrt(10)
    assert found.low == pytest.approx(0.75 - 2.262157 * error, abs=1e-5)
    # The longer tail is above: there Hall's transformation of t, as it is printed, has Student's quantile.
    assert found.high is not None
    assert hall((0.75 - found.high) / error, list(DRUG_1.values())) == pytest.approx(-2.262157, abs=1e-4)


def hall(t: float, values: list[float]) -> float:
    """Hall (1992), J. R. Stat. Soc. B 54, 221-228: the transformed t statistic of skewed values."""
    n, g = len(values), float(stats.skew(values))
    return t + g * t**2 / (3 * math.sqrt(n)) + g**2 * t**3 / (27 * n) + g / (6 * math.sqrt(n))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 4.0, 9.0], [1.0, 1.1, 1.2, 1.3, 9.0], [0, 0.01, 0.02, 0.013, 0.007, 0.003, 1.0]]
)
def test_the_interval_is_the_wider_of_student_and_hall(values: list[float], sign: int) -> None:
    values = [sign * value for value in values]
    found, n = summarise(values), len(values)
    assert found.mean is not None
    assert found.sd is not None
    assert found.low is not None
    assert found.high is not None
    quantile, error = stats.t.ppf(0.975, n - 1), found.sd / math.sqrt(n)
    for end in (found.low, found.high):
        of_student = abs(found.mean - end) / error
        of_hall = abs(hall((found.mean - end) / error, values))
        assert of_student >= quantile - 1e-9
        assert min(abs(of_student - quantile), abs(of_hall - quantile)) < 1e-9
    assert (found.high - found.mean > found.mean - found.low) == (sign == 1)


def test_of_three_values_an_end_is_at_most_half_as_far_again() -> None:
    found = summarise([0.0, 0.0, 1.0])
    assert found.mean is not None
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.mean == pytest.approx(1.5 * (found.mean - found.low))


def test_values_that_cannot_be_squared_are_those_of_collapsed_runs() -> None:
    found = summarise([1.0, 2.0, 4.0, 1e200, -1e155, math.inf, math.nan])
    assert (found.n, found.collapsed) == (3, 4)
    assert found.low == summarise([1.0, 2.0, 4.0]).low


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
