"""Ranks over data sets, against the worked example of Demšar (2006) and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abreast.statistics.dataset_ranks import critical_difference, friedman, rank_over_datasets
from abreast.statistics.holm import holm

# AUC of C4.5 and three variants on 14 data sets: Demšar 2006, JMLR 7, 1-30, table 6. On "voting" its ranks
# tell apart two values that are printed as 0.975: they are written here with a fourth digit.
VARIANTS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
DEMSAR = {
    "adult": (0.763, 0.768, 0.771, 0.798),
    "breast cancer": (0.599, 0.591, 0.590, 0.569),
    "breast cancer wisconsin": (0.954, 0.971, 0.968, 0.967),
    "cmc": (0.628, 0.661, 0.654, 0.657),
    "ionosphere": (0.882, 0.888, 0.886, 0.898),
    "iris": (0.936, 0.931, 0.916, 0.931),
    "liver disorders": (0.661, 0.668, 0.609, 0.685),
    "lung cancer": (0.583, 0.583, 0.563, 0.625),
    "lymphography": (0.775, 0.838, 0.866, 0.875),
    "mushroom": (1.000, 1.000, 1.000, 1.000),
    "primary tumor": (0.940, 0.962, 0.965, 0.962),
    "rheum": (0.619, 0.666, 0.614, 0.669),
    "voting": (0.972, 0.981, 0.9751, 0.9749),
    "wine": (0.957, 0.978, 0.946, 0.970),
}
SCORES = {name: {data: row[index] for data, row in DEMSAR.items()} for index, name in enumerate(VARIANTS)}
HIGHER = dict.fromkeys(DEMSAR, True)


def test_the_worked_example() -> None:
    found = rank_over_datasets(SCORES, HIGHER)
    means = dict(zip(found.groups, found.mean_ranks, strict=True))
    published = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert means == pytest.approx(published, abs=5e-4)
    assert found.groups == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    # Section 3.2.2: 9.28 and F = 3.69, by the formula that does not correct for ties
    assert friedman(found.ranks, ties=False) == pytest.approx((9.28, 3.69), abs=5e-3)
    # "The critical value of F(3, 39) for alpha = 0.05 is 2.85, so we reject"
    assert stats.f.ppf(0.95, 3, 39) == pytest.approx(2.85, abs=5e-3)
    assert found.p is not None
    assert found.p < stats.f.sf(3.69, 3, 39)
    # The critical difference is 1.25 at 5 % and 1.12 at 10 %; at 5 % no two variants differ ...
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=5e-3)
    assert found.alike == [(0, 3)]
    # ... and Holm's p-values against C4.5 as the control begin with 0.016, 0.019 and 0.607.
    z = (found.mean_ranks[3] - found.mean_ranks[:3]) / np.sqrt(4 * 5 / (6 * 14))
    assert 2 * stats.norm.sf(z) == pytest.approx([0.016, 0.019, 0.607], abs=2e-3)


@pytest.mark.parametrize(
    ("groups", "quantile"),
    # Demšar 2006, table 5 (a): two-tailed Nemenyi, 5 %
    [
        (2, 1.960),
        (3, 2.343),
        (4, 2.569),
        (5, 2.728),
        (6, 2.850),
        (7, 2.949),
        (8, 3.031),
        (9, 3.102),
        (10, 3.164),
    ],
)
def test_critical_values_are_those_of_the_table(groups: int, quantile: float) -> None:
    scale = np.sqrt(groups * (groups + 1) / (6 * 20))
    assert critical_difference(groups, 20) / scale == pytest.approx(quantile, abs=1e-3)


def test_friedmans_statistic_is_scipys() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(4, size=(5, 9)).astype(float)  # with ties
    scores = {group: dict(enumerate(row)) for group, row in enumerate(values)}
    found = rank_over_datasets(scores, dict.fromkeys(range(9), True))
    assert found.friedman == pytest.approx(stats.friedmanchisquare(*values).statistic)


def test_metrics_of_both_directions() -> None:
    scores = {"a": {"accuracy": 0.9, "error": 0.2}, "b": {"accuracy": 0.8, "error": 0.3}}
    found = rank_over_datasets(scores, {"accuracy": True, "error": False})
    assert found.groups == ("a", "b")
    assert found.ranks.tolist() == [[1, 1], [2, 2]]
    assert (found.p, found.critical_difference, found.alike) == (None, None, [])  # two data sets of five


def test_what_differs_by_rounding_is_a_tie_and_what_failed_is_last() -> None:
    scores = {"a": {0: 0.5, 1: 0.1}, "b": {0: 0.5 + 1e-12, 1: -np.inf}, "c": {0: 0.4, 1: -np.inf}}
    found = rank_over_datasets(scores, {0: True, 1: True})
    assert found.ranks.tolist() == [[1.5, 1], [1.5, 2.5], [3, 2.5]]


def test_clear_differences_are_found() -> None:
    rng = np.random.default_rng(1)
    quality = np.array([0.0, 0.0, -1.0, -1.0])
    values = quality[:, None] + 0.1 * rng.normal(size=(4, 12))
    scores = {group: dict(enumerate(row)) for group, row in enumerate(values)}
    found = rank_over_datasets(scores, dict.fromkeys(range(12), True))
    assert found.p is not None
    assert found.p < 0.001
    assert found.alike == [(0, 1), (2, 3)]
    assert found.p_holm is not None
    assert max(found.p_holm[2:]) < 0.05 < found.p_holm[1]


def test_equal_groups_seldom_differ() -> None:
    rng = np.random.default_rng(2)
    limit = stats.f.ppf(0.95, 4, 28)
    differ = apart = 0
    for _ in range(1000):
        ranks = stats.rankdata(rng.normal(size=(5, 8)), axis=0)
        differ += friedman(ranks)[1] >= limit
        apart += np.ptp(ranks.mean(axis=1)) >= critical_difference(5, 8)
    # 5 % of 1,000 and three standard errors
    assert differ <= 71
    assert apart <= 71


def test_incomplete_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="b has no score on 1"):
        rank_over_datasets({"a": {0: 1.0, 1: 1.0}, "b": {0: 1.0}}, {0: True, 1: True})
    with pytest.raises(ValueError, match="two groups and two data sets"):
        rank_over_datasets({"a": {0: 1.0}}, {0: True})


def test_holm_counts_all_pairs() -> None:
    found = rank_over_datasets(SCORES, HIGHER)
    means = found.mean_ranks
    z = [(means[b] - means[a]) / np.sqrt(4 * 5 / (6 * 14)) for a in range(4) for b in range(a + 1, 4)]
    expected = holm([float(value) for value in 2 * stats.norm.sf(np.abs(z))])
    assert found.p_holm == pytest.approx((1.0, *expected[:3]))
