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


# Dunnett 1964, Biometrics 20, 482-491, table II: two-sided comparisons with a control, joint level 95 %.
DUNNETT = {
    10: (2.23, 2.57, 2.76, 2.89, 2.99, 3.07, 3.14, 3.19, 3.24),
    20: (2.09, 2.38, 2.54, 2.65, 2.73, 2.80, 2.86, 2.90, 2.95),
    1e4: (1.96, 2.21, 2.35, 2.44, 2.51, 2.57, 2.61, 2.65, 2.69),
}


@pytest.mark.parametrize("df", DUNNETT)
def test_critical_values_are_those_of_dunnetts_table(df: float) -> None:
    found = [float(critical(groups, df, "reference", 0.05)) for groups in range(2, 11)]
    assert found == pytest.approx(DUNNETT[df], abs=0.0125)


# The studentized range at 5 %, as in the tables of textbooks (such as Montgomery, Design and Analysis of
# Experiments, table V), for 2, 3, 4, 5 and 10 groups.
TUKEY = {
    5: (3.64, 4.60, 5.22, 5.67, 6.99),
    10: (3.15, 3.88, 4.33, 4.65, 5.60),
    20: (2.95, 3.58, 3.96, 4.23, 5.01),
}


@pytest.mark.parametrize("df", TUKEY)
def test_critical_values_are_those_of_tukeys_table(df: int) -> None:
    found = [float(critical(groups, df, "pairs", 0.05)) * 2**0.5 for groups in (2, 3, 4, 5, 10)]
    assert found == pytest.approx(TUKEY[df], abs=0.0125)
