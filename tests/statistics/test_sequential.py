"""The confidence sequence against the Bayes factor it inverts, its limits, and its errors by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from abreast.statistics.sequential import (
    ALPHA,
    ALPHA_COLLAPSE,
    FIRST_WAVE,
    PRIOR_PRECISION,
    SequentialInterval,
    collapse_evidence,
    critical_value,
    seeds_needed,
    sequential_interval,
    sequential_verdict,
    untransformed,
    wave_ends,
)


@pytest.mark.parametrize("n", [8, 12, 27, 100])
def test_the_critical_value_is_where_the_bayes_factor_reaches_its_limit(n: int) -> None:
    """The mixture over effects of noncentral t densities (Lai 1976), integrated numerically with scipy."""
    t = critical_value(n)

    def weighted(effect: float) -> float:
        prior = stats.norm.pdf(effect, scale=1 / math.sqrt(PRIOR_PRECISION))
        return float(prior * stats.nct.pdf(t, n - 1, effect * math.sqrt(n)))

    center = t / math.sqrt(n)
    mixture, _ = integrate.quad(weighted, -2, center + 4, points=[center])
    assert mixture / stats.t.pdf(t, n - 1) == pytest.approx(1 / ALPHA, rel=1e-4)


def test_with_many_seeds_it_is_the_normal_mixture_boundary() -> None:
    """Robbins (1970), Ann. Math. Statist. 41, 1397-1409: sqrt((1 + c/n) * log((1 + n/c) / alpha**2))."""
    n = 100_000
    share = n / (n + PRIOR_PRECISION)
    expected = math.sqrt((math.log1p(n / PRIOR_PRECISION) - 2 * math.log(ALPHA)) / share)
    assert critical_value(n) == pytest.approx(expected, rel=1e-3)


def test_too_few_seeds_have_no_interval() -> None:
    assert [math.isinf(critical_value(n)) for n in (0, 1, 2, FIRST_WAVE - 1, FIRST_WAVE)] == [True] * 4 + [
        False
    ]
    found = sequential_interval([0.1, 0.2])
    assert (found.n, found.low, found.high) == (2, None, None)
    assert sequential_interval([]) == SequentialInterval(0)
    assert sequential_interval([0.1]) == SequentialInterval(1, 0.1)


def test_the_interval_is_wider_than_one_for_a_single_look() -> None:
    values = np.random.default_rng(0).normal(0.01, 0.02, 30)
    found, student = sequential_interval(values.tolist()), stats.ttest_1samp(values, 0).confidence_interval()
    assert found.low is not None
    assert found.high is not None
    assert found.low < student.low < student.high < found.high
    assert (found.mean, found.sd) == pytest.approx((values.mean(), values.std(ddof=1)))


def test_skewed_differences_widen_the_interval_on_the_side_of_their_tail() -> None:
    values = np.random.default_rng(1).lognormal(0, 1, 30)
    found = sequential_interval(values.tolist())
    half = critical_value(30) * values.std(ddof=1) / math.sqrt(30)
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(values.mean() - half)
    assert found.high > values.mean() + 1.2 * half
    mirrored = sequential_interval((-values).tolist())
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize("skewness", [-2.5, -0.3, 0.0, 1e-9, 0.7, 4.0])
@pytest.mark.parametrize("t", [-2.8, -0.4, 0.0, 0.3, 1.1])
def test_the_transformation_of_hall_is_inverted(skewness: float, t: float) -> None:
    """Hall (1992), equation for the monotone cubic transformation, written out."""
    n = 20
    value = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)
    assert untransformed(value, skewness, n) == pytest.approx(t, abs=1e-8)


def test_equal_differences_have_an_interval_of_the_resolution() -> None:
    found = sequential_interval([0.0] * 8, resolution=1 / 360)
    assert found.sd == 1 / 360
    assert found.high == pytest.approx(critical_value(8) / 360 / math.sqrt(8))
    assert sequential_verdict(found, 0.005, higher_is_better=True) == "undecided"
    later = sequential_interval([0.0] * 12, resolution=1 / 360)
    assert sequential_verdict(later, 0.005, higher_is_better=True) == "equivalent"


def test_the_interval_ends_where_the_metric_does() -> None:
    found = sequential_interval([0.9, 0.2] * 4, most=1.0)
    assert found.high == 1.0


@pytest.mark.parametrize(
    ("low", "high", "higher_is_better", "verdict"),
    [
        (0.001, 0.02, True, "better"),
        (0.001, 0.02, False, "worse"),
        (-0.02, -0.001, True, "worse"),
        (-0.02, -0.001, False, "better"),
        (-0.004, 0.004, True, "equivalent"),
        (0.001, 0.004, True, "equivalent"),  # a difference, but smaller than the margin
        (-0.004, 0.005, True, "undecided"),  # the margin itself is not smaller
        (-0.01, 0.02, True, "undecided"),
        (None, None, True, "undecided"),
    ],
)
def test_verdicts(low: float | None, high: float | None, higher_is_better: bool, verdict: str) -> None:
    interval = SequentialInterval(10, 0.0, 0.01, low, high)
    assert sequential_verdict(interval, 0.005, higher_is_better=higher_is_better) == verdict


def test_collapses_decide_unless_the_interval_says_the_opposite() -> None:
    nothing, better = SequentialInterval(0), SequentialInterval(9, 0.02, 0.01, 0.01, 0.03)

    def verdict(interval: SequentialInterval, first: int, second: int) -> str:
        return sequential_verdict(
            interval,
            0.005,
            higher_is_better=True,
            only_first_collapsed=first,
            only_second_collapsed=second,
        )

    assert verdict(nothing, 0, 11) == "undecided"
    assert verdict(nothing, 0, 12) == "worse"
    assert verdict(nothing, 12, 0) == "better"
    assert verdict(better, 12, 0) == "better"
    assert verdict(better, 0, 12) == "undecided"


def test_the_evidence_of_collapses_is_the_likelihood_ratio_of_a_coin() -> None:
    for heads, tails in ((0, 0), (3, 1), (12, 0), (5, 9)):
        mixture, _ = integrate.quad(lambda p, h=heads, t=tails: p**h * (1 - p) ** t, 0, 1)  # type: ignore[misc]
        assert collapse_evidence(heads, tails) == pytest.approx(mixture * 2.0 ** (heads + tails))
    assert collapse_evidence(0, 12) > 1 / ALPHA_COLLAPSE > collapse_evidence(0, 11)


@pytest.mark.parametrize(("mean", "margin"), [(0.01, 0.005), (0.0, 0.005), (0.004, 0.005)])
def test_the_seeds_needed_are_the_first_number_with_a_verdict(mean: float, margin: float) -> None:
    seen = SequentialInterval(12, mean, 0.01)
    needed = seeds_needed(seen, margin)
    assert needed is not None

    def verdict(n: int) -> str:
        half = critical_value(n) * 0.01 / math.sqrt(n)
        interval = SequentialInterval(n, mean, 0.01, mean - half, mean + half)
        return sequential_verdict(interval, margin, higher_is_better=True)

    assert verdict(needed) != "undecided"
    assert verdict(needed - 1) == "undecided"


def test_without_a_spread_no_seeds_are_foretold() -> None:
    assert seeds_needed(SequentialInterval(1, 0.1), 0.005) is None
    assert seeds_needed(SequentialInterval(9, 0.0025, 1e3), 0.005) is None  # more than ten million


def test_waves_grow_and_end_at_the_budget() -> None:
    assert wave_ends(8) == [8]
    assert wave_ends(100) == [8, 12, 18, 27, 41, 62, 93, 100]
    assert wave_ends(200)[:7] == wave_ends(100)[:7]  # a larger budget looks at the same places
