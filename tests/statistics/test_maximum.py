"""Corrected p-values and critical values against scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abreast.statistics.maximum import critical, survival


@pytest.mark.parametrize("groups", [2, 3, 12, 36])
@pytest.mark.parametrize("df", [2.0, 3.7, 8.0, 60.0])
def test_all_pairs_are_scipys_studentized_range(groups: int, df: float) -> None:
    for t in (1.5, 3.0, 6.0):
        expected = stats.studentized_range.sf(t * 2**0.5, groups, df)
        assert float(survival(t, groups, df, "pairs")) == pytest.approx(expected, abs=2e-5)
    limit = float(critical(groups, df, "pairs", 0.05))
    assert stats.studentized_range.sf(limit * 2**0.5, groups, df) == pytest.approx(0.05, abs=2e-5)


@pytest.mark.parametrize(("groups", "df"), [(3, 10), (6, 20), (10, 4)])
def test_one_reference_is_the_multivariate_t(groups: int, df: int) -> None:
    """Dunnett (1955): t statistics with correlation 1/2; scipy integrates their joint density."""
    others = groups - 1
    shape = np.full((others, others), 0.5) + 0.5 * np.eye(others)
    joint = stats.multivariate_t(shape=shape, df=df, seed=0)
    two = float(critical(groups, df, "reference", 0.05))
    one = float(critical(groups, df, "reference, one-sided", 0.05))
    inside = joint.cdf(np.full(others, two), lower_limit=np.full(others, -two), random_state=0)
    assert inside == pytest.approx(0.95, abs=5e-4)
    assert joint.cdf(np.full(others, one), random_state=0) == pytest.approx(0.95, abs=5e-4)


def test_the_selected_mean_by_simulation() -> None:
    rng = np.random.default_rng(0)
    best = rng.normal(size=(200_000, 6)).max(1) / np.sqrt(rng.chisquare(4, 200_000) / 4)
    assert float(critical(6, 4, "selection", 0.05)) == pytest.approx(np.quantile(best, 0.95), rel=0.01)
    assert float(critical(1, 4, "selection", 0.05)) == pytest.approx(stats.t.isf(0.05, 4), rel=1e-4)


def test_arrays_give_the_numbers_of_scalars() -> None:
    t, df = np.array([[1.0, 4.0], [2.0, 9.0]]), np.array([3.0, 5.5])
    both = survival(t, 6, df, "pairs")
    assert both.shape == (2, 2)
    assert both[1, 0] == survival(2.0, 6, 3.0, "pairs")
