"""What counts as collapsed, and how sure the share of such runs is."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from abreast.statistics.collapse import (
    FALSE_ALARM,
    chance_limit,
    is_collapsed,
    is_share_higher,
    share_interval,
)


@pytest.mark.parametrize(("chance", "examples"), [(0.1, 360), (0.5, 30), (0.25, 60), (0.9, 50)])
def test_the_limit_is_the_smallest_number_of_hits_that_guessing_rarely_exceeds(
    chance: float, examples: int
) -> None:
    # The binomial distribution written out.
    p = Fraction(str(chance))
    tail, hits = Fraction(0), examples
    terms = [math.comb(examples, k) * p**k * (1 - p) ** (examples - k) for k in range(examples + 1)]
    while hits >= 0 and tail + terms[hits] <= Fraction(1, 1000):
        tail += terms[hits]
        hits -= 1
    assert chance_limit(chance, examples) == pytest.approx(hits / examples)
    assert is_collapsed(hits / examples, chance, examples)
    assert not is_collapsed((hits + 1) / examples, chance, examples)


def test_the_limit_is_that_of_scipy_also_at_ties() -> None:
    for examples in (1, 3, 17, 360, 10_000):
        for chance in (1e-6, 0.1, 0.5, 0.9, 1 - 1e-6):
            expected = stats.binom.isf(FALSE_ALARM, examples, chance) / examples
            assert chance_limit(chance, examples) == expected, (examples, chance)


def test_guesses_are_nearly_always_recognised() -> None:
    hits = np.random.default_rng(0).binomial(360, 0.1, 2000)
    assert sum(is_collapsed(value / 360, 0.1, 360) for value in hits) >= 1992


def test_a_nan_has_collapsed() -> None:
    assert is_collapsed(math.nan, 0.1, 360)


@pytest.mark.parametrize(("chance", "examples"), [(0.0, 10), (1.0, 10), (0.5, 0)])
def test_impossible_arguments_are_refused(chance: float, examples: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        chance_limit(chance, examples)


def test_the_interval_of_a_share() -> None:
    # Clopper-Pearson for 0 of n and n of n in closed form: 1 - (0.025)^(1/n), and its mirror image.
    assert share_interval(0, 5) == pytest.approx((0.0, 1 - 0.025**0.2))
    assert share_interval(5, 5) == pytest.approx((0.025**0.2, 1.0))
    # 2 of 5: 0.0527 and 0.8534 in any table of exact binomial limits.
    assert share_interval(2, 5) == pytest.approx((0.0527, 0.8534), abs=5e-5)


def test_the_exact_test_is_that_of_scipy() -> None:
    tables = [t for t in itertools.product(range(6), repeat=4) if sum(t[:2]) and sum(t[2:])]
    for a, b, c, d in tables:
        p = stats.fisher_exact([(a, b), (c, d)], "greater").pvalue
        if abs(p - 0.05) > 1e-12:
            assert is_share_higher((a, b), (c, d)) == (bool(a) and p < 0.05), (a, b, c, d)
