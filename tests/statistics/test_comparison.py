"""Comparisons of groups, against worked examples and formulas written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from abreast.statistics.comparison import contrast, holm
from abreast.statistics.ranking import best_of, compare

# Student (1908), "The probable error of a mean", Biometrika 6(1), p. 20: hours of sleep gained under two
# drugs, by patient. Their paired t is -4.0621 with 9 degrees of freedom, p = 0.002833 and the 95 % interval
# of the difference (-2.4598858, -0.7001142); Welch's t has p = 0.07939 and (-3.3654832, 0.2054832): the
# output of R's example(t.test).
DRUG_1 = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))
DRUG_2 = dict(enumerate([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]))


def shifted(group: dict[int, float], by: float) -> dict[int, float]:
    return {seed: value + by for seed, value in group.items()}


def test_common_seeds_are_paired() -> None:
    found = contrast(DRUG_1, DRUG_2)
    assert found.test == "paired t"
    assert found.n == (10,)
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert found.difference == pytest.approx(-1.58)
    assert (found.low, found.high) == pytest.approx((-2.4598858, -0.7001142), abs=1e-7)


def test_pairs_are_by_seed_not_by_order() -> None:
    backwards = dict(reversed(DRUG_2.items()))
    assert contrast(DRUG_1, backwards).p == contrast(DRUG_1, DRUG_2).p


def test_other_seeds_are_welch() -> None:
    found = contrast(DRUG_1, {seed + 100: value for seed, value in DRUG_2.items()})
    assert found.test == "Welch t"
    assert found.n == (10, 10)
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=1e-7)


@pytest.mark.parametrize(
    ("seeds_a", "seeds_b", "test", "n"),
    [
        (range(5), range(5), "paired t", (5,)),
        (range(5), range(3, 8), "Welch t", (5, 5)),  # two of five in common: not half
        (range(5), range(2, 7), "paired t", (3,)),
        (range(2), range(1, 9), "Welch t", (2, 8)),  # one pair has no variance
        (range(2), range(9), "paired t", (2,)),
        (range(1), range(9), "none", (1, 9)),
        (range(1), range(1), "none", (1, 1)),
        (range(0), range(4), "none", (0, 4)),
    ],
)
def test_which_test(seeds_a: range, seeds_b: range, test: str, n: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    found = contrast({seed: rng.normal() for seed in seeds_a}, {seed: rng.normal() for seed in seeds_b})
    assert (found.test, found.n) == (test, n)
    assert (found.p is None) == (test == "none")


@pytest.mark.parametrize("n", [2, 3, 7])
def test_equal_differences_have_an_exact_p(n: int) -> None:
    """The exact p: of all flips of the signs, the share whose mean is as far from zero."""
    a = {seed: 0.9 + 0.01 * seed for seed in range(n)}
    flips = list(itertools.product([-1, 1], repeat=n))
    expected = sum(abs(sum(flip)) == n for flip in flips) / len(flips)
    found = contrast(shifted(a, 1 / 360), a)
    assert found.test == "sign flip"
    assert found.p == pytest.approx(expected)
    assert found.difference == pytest.approx(1 / 360)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 5), (4, 3)])
def test_two_constants_have_an_exact_p(n: int, m: int) -> None:
    """The exact p: of all ways to deal out the values, twice those that set the groups apart like this."""
    values = [0.5] * n + [0.6] * m
    deals = list(itertools.combinations(range(n + m), n))
    apart = sum({values[place] for place in deal} == {0.5} for deal in deals)
    found = contrast(dict.fromkeys(range(n), 0.5), dict.fromkeys(range(50, 50 + m), 0.6))
    assert found.test == "permutation"
    assert found.p == pytest.approx(2 * apart / len(deals))


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.9722222, 1e8])
def test_equal_values_are_inconclusive(offset: int, value: float) -> None:
    a = dict.fromkeys(range(3), value)
    b = dict.fromkeys(range(offset, offset + 3), value * (1 + 1e-15))
    ranking = compare({"a": a, "b": b})
    assert ranking.comparisons["b" if ranking.winner == "a" else "a"].p == 1.0
    assert set(ranking.best) == {"a", "b"}


def test_one_group_without_scatter_warns_of_nothing() -> None:
    # Welch with one variance zero is the one-sample t: mean 0.2, sd 0.1, n 3: t = (0.2 - 0.1) / (0.1/sqrt 3),
    # 2 degrees of freedom, whose two-sided p is 1 - t / sqrt(t^2 + 2).
    t = math.sqrt(3)
    found = contrast({0: 0.1, 1: 0.2, 2: 0.3}, dict.fromkeys(range(10, 13), 0.1))
    assert found.p == pytest.approx(1 - t / math.sqrt(t * t + 2))


def test_holm_on_a_worked_example() -> None:
    # Holm (1979), Scand. J. Statist. 6, 65: the ordered p-values times k, k-1, ..., 1, never decreasing.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_verdicts_of_a_ranking() -> None:
    rng = np.random.default_rng(1)
    noise = {name: rng.normal(0, 0.01, 8) for name in "abcd"}
    level = {"a": 0.95, "b": 0.951, "c": 0.80, "d": 0.50}
    groups = {name: dict(enumerate(level[name] + noise[name])) for name in "abcd"}
    groups["one"] = {0: 0.1}
    groups["none"] = {}
    ranking = compare(groups)
    assert ranking.winner in ("a", "b")
    assert set(ranking.best) == {"a", "b", "one"}  # one value cannot be tested
    assert ranking.verdict("c") == ranking.verdict("d") == "worse"
    assert ranking.verdict("one") == ranking.verdict("none") == "untested"
    assert "none" not in ranking.comparisons
    corrected = [each.p_adjusted for each in ranking.comparisons.values() if each.p is not None]
    assert corrected == holm([each.p for each in ranking.comparisons.values() if each.p is not None])


def test_one_value_wins_only_where_no_group_has_more() -> None:
    groups = {"many": {0: 0.5, 1: 0.6}, "one": {0: 0.9}}
    assert compare(groups).winner == compare(groups, selection=groups).winner == "many"
    assert compare({name: {0: group[0]} for name, group in groups.items()}).winner == "one"


def test_lower_is_better() -> None:
    groups = {"low": dict(enumerate([0.1, 0.11, 0.12])), "high": dict(enumerate([1.1, 1.2, 1.15]))}
    ranking = compare(groups, higher_is_better=False)
    assert ranking.winner == "low"
    assert ranking.best == ("low",)
    assert best_of(groups) == "high"


def test_validation_chooses_and_the_test_compares() -> None:
    """A group that is better on the test set than the one chosen by validation is not made the winner."""
    tested = {"a": dict(enumerate([0.90, 0.91, 0.92, 0.91])), "b": dict(enumerate([0.95, 0.97, 0.96, 0.96]))}
    validated = {"a": dict.fromkeys(range(4), 0.99), "b": dict.fromkeys(range(4), 0.98)}
    ranking = compare(tested, selection=validated)
    assert ranking.winner == "a"
    assert ranking.verdict("b") == "better"
    assert ranking.best == ("a", "b")


@pytest.mark.parametrize("groups", [{}, {"a": {}}])
def test_nothing_to_compare(groups: dict[str, dict[int, float]]) -> None:
    ranking = compare(groups)
    assert ranking.winner is None
    assert ranking.best == ()


def test_a_winner_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="reference='b' has no values; groups with values: a"):
        compare({"a": {0: 1.0}, "b": {}}, reference="b")


def test_equal_groups_differ_significantly_as_rarely_as_stated() -> None:
    """6 groups of 5 seeds with one mean: docs/report.md gives 5 to 8 % for a winner by validation."""
    rng = np.random.default_rng(3)
    wrong = 0
    sweeps = 200
    for _ in range(sweeps):
        quality = rng.normal(size=(6, 5))  # what a run's validation and test metric share
        test, val = (quality + rng.normal(size=(6, 5)) for _ in range(2))
        groups = {str(k): dict(enumerate(test[k])) for k in range(6)}
        chosen = str(val.mean(1).argmax())
        ps = [contrast(groups[k], groups[chosen]).p for k in groups if k != chosen]
        wrong += min(p for p in ps if p is not None) * len(ps) <= 0.05  # Holm's first step
    # 0.08 of 200 sweeps, with three standard deviations of the count.
    assert wrong <= 16 + 3 * math.sqrt(200 * 0.08 * 0.92)
