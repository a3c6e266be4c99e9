"""Comparisons of groups, against scipy's tests, formulas written out and cases with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from abreast.statistics.comparison import Comparison
from abreast.statistics.holm import holm
from abreast.statistics.ranking import compare

# Student (1908), "The probable error of a mean", Biometrika 6(1), p. 20: hours of sleep gained under two
# drugs, by patient. Their paired t is -4.0621 with 9 degrees of freedom, p = 0.002833 and the 95 % interval
# of the difference (-2.4598858, -0.7001142); Welch's t has p = 0.07939 and (-3.3654832, 0.2054832): the
# output of R's example(t.test).
DRUG_1 = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))
DRUG_2 = dict(enumerate([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]))


def pair(group: dict[int, float], reference: dict[int, float], **options: float) -> Comparison:
    both = {"group": group, "reference": reference}
    return compare(both, reference="reference", **options).comparisons["group"]  # type: ignore[arg-type]


def draw(seeds: range, mean: float = 0.0, seed: int = 0) -> dict[int, float]:
    noise = np.random.default_rng(seed).normal(size=100)
    return {block: mean + float(noise[block]) for block in seeds}


def test_common_seeds_of_two_groups_are_paired() -> None:
    found = pair(DRUG_1, DRUG_2)
    assert (found.test, found.n) == ("paired t", (10,))
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert found.p_adjusted == pytest.approx(0.002833, abs=1e-6)  # one comparison needs no correction
    assert found.difference == pytest.approx(-1.58)
    assert (found.low, found.high) == pytest.approx((-2.4598858, -0.7001142), abs=1e-4)


def test_pairs_are_by_seed_not_by_order() -> None:
    assert pair(DRUG_1, dict(reversed(DRUG_2.items()))).p == pytest.approx(pair(DRUG_1, DRUG_2).p)


def test_other_seeds_are_welch() -> None:
    found = pair(DRUG_1, {seed + 100: value for seed, value in DRUG_2.items()})
    assert (found.test, found.n) == ("Welch t", (10, 10))
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=1e-4)


@pytest.mark.parametrize(
    ("seeds", "others", "test", "n"),
    [
        (range(5), range(5), "paired t", (5,)),
        (range(4), range(2, 6), "Welch t", (4, 4)),  # two common seeds of four
        (range(5), range(4), "paired t", (4,)),
        (range(3), range(1, 9), "Welch t", (3, 8)),
        (range(1), range(9), "none", (1, 9)),
        (range(1), range(1), "none", (1, 1)),
    ],
)
def test_which_test(seeds: range, others: range, test: str, n: tuple[int, ...]) -> None:
    found = pair(draw(seeds), draw(others, seed=1))
    assert (found.test, found.n) == (test, n)
    assert (found.p is None) == (test == "none")
    assert (found.verdict == "untested") == (test == "none")


@pytest.mark.parametrize("n", [3, 5, 10])
def test_equal_differences_on_a_grid_are_shown_by_their_size(n: int) -> None:
    """The same number of 360 examples worse with each seed: thirty are a difference, one with n = 3 is not.

    The standard error is that of two variables that take neighbouring values: sqrt(2 / 4 / n) examples.
    """
    values = {seed: (340 + seed % 3) / 360 for seed in range(n)}
    for hits in (30, 1):
        found = pair({seed: value - hits / 360 for seed, value in values.items()}, values, examples=360)
        assert found.p == pytest.approx(2 * stats.t.sf(hits / math.sqrt(0.5 / n), n - 1))
        assert (found.verdict == "worse") == (hits == 30 or n > 3)


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.9722222, 1e8])
def test_equal_values_do_not_differ(offset: int, value: float) -> None:
    found = pair(
        dict.fromkeys(range(3), value), dict.fromkeys(range(offset, offset + 3), value * (1 + 1e-15))
    )
    assert found.p == pytest.approx(1.0, abs=1e-6)
    assert found.verdict == "not significantly different"
    assert found.seeds_needed is None or value


def test_two_common_seeds_of_four_do_not_cost_the_power_of_the_others() -> None:
    worse = [
        pair(draw(range(4), -5.0, seed), draw(range(2, 6), seed=1000 + seed)).verdict == "worse"
        for seed in range(200)
    ]
    assert sum(worse) >= 190  # Welch's test finds 98 % of such differences


def test_the_smallest_difference_is_found_with_a_power_of_80_percent() -> None:
    """By simulation: the expected smallest difference at n = 5, once added to one of two groups."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 2, 5))
    # For a known error: the noncentrality with a power of 0.8 (scipy's noncentral t), sd sqrt(2) per pair.
    limit = stats.t.isf(0.025, 4)
    shift = next(d for d in np.arange(1, 6, 0.01) if stats.nct.sf(limit, 4, d) >= 0.8) * math.sqrt(2 / 5)
    found = [
        pair(dict(enumerate(a - shift)), dict(enumerate(b)))  # type: ignore[arg-type]
        for a, b in values
    ]
    share = np.mean([each.verdict == "worse" for each in found])
    assert share == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 400))
    smallest = [each.smallest_difference for each in found if each.smallest_difference is not None]
    # The mean of a sample standard deviation with 4 degrees of freedom is 0.94 of the true one.
    assert np.mean(smallest) == pytest.approx(0.94 * shift, rel=0.05)


def test_seeds_needed_give_the_power() -> None:
    """Of the difference of one sd of a run, two groups need 16.7, so 17 seeds in a paired t test.

    The number is that of statsmodels' TTestPower().solve_power(1 / sqrt(2), alpha=0.05, power=0.8): 17.7.
    """
    rng = np.random.default_rng(4)
    noise = rng.normal(size=400)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    other = rng.normal(size=400)
    other -= np.polyval(np.polyfit(noise, other, 1), noise)
    other /= other.std(ddof=1)
    found = pair(dict(enumerate(noise - 1.0)), dict(enumerate(other)))  # type: ignore[arg-type]
    assert found.seeds_needed == 18


@pytest.mark.parametrize(
    ("shift", "margin", "verdict"),
    [
        (0.0, 2.0, "equivalent"),
        (0.0, 0.5, "inconclusive"),
        (-1.0, 5.0, "equivalent"),
        (-9.0, 2.0, "worse"),
        (9.0, 2.0, "better"),
        (-0.7, 0.9, "inconclusive"),
    ],
)
def test_two_one_sided_tests(shift: float, margin: float, verdict: str) -> None:
    group, reference = draw(range(8), shift), draw(range(8), seed=1)
    found = pair(group, reference, margin=margin)
    assert found.verdict == verdict
    # Both one-sided paired tests by scipy; the larger p-value counts.
    a, b = (np.array(list(values.values())) for values in (group, reference))
    expected = max(
        stats.ttest_1samp(a - b, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(a - b, margin, alternative="less").pvalue,
    )
    assert found.p_equivalent == pytest.approx(expected)


def test_holm_on_a_worked_example() -> None:
    # Holm (1979), Scand. J. Statist. 6, 65: the ordered p-values times k, k-1, ..., 1, never decreasing.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
