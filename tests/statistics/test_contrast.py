"""The arrays behind every verdict, against published examples, scipy, and least squares written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abreast.statistics.blocks import fit_blocks
from abreast.statistics.contrast import contrasts
from abreast.statistics.ranking import compare
from abreast.statistics.variance import MOST_GAINED, PRIOR_DF, grid_step, least_variance, moderated


def test_unblocked_contrasts_are_games_and_howells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without moderation: scipy's `tukey_hsd(equal_var=False)`, which is Games-Howell."""
    monkeypatch.setattr("abreast.statistics.contrast.moderated", lambda variance, df, _: (variance, df))
    rng = np.random.default_rng(0)
    samples = [rng.normal(mean, sd, n) for mean, sd, n in ((0, 1, 6), (1, 2, 5), (3, 0.5, 7), (0, 1, 4))]
    values = np.full((1, 4, 22), np.nan)
    start = 0
    for row, sample in enumerate(samples):  # no seed in common
        values[0, row, start : start + len(sample)] = sample
        start += len(sample)
    found = contrasts(values, np.array([2]), "pairs")
    expected = stats.tukey_hsd(*samples, equal_var=False)
    interval = expected.confidence_interval(0.95)
    low = found.difference - found.critical * found.error
    for row in (0, 1, 3):
        assert found.difference[0, row] == pytest.approx(expected.statistic[row, 2])
        assert low[0, row] == pytest.approx(interval.low[row, 2], rel=1e-3)
    assert not found.blocked.any()


def test_missing_values_are_fitted_by_least_squares() -> None:
    """Means and residuals against a dense design matrix solved by numpy."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1, 4, 5)) + rng.normal(size=(1, 1, 5))
    values[0, 0, 1] = values[0, 2, 4] = values[0, 3, 0] = np.nan
    has = np.isfinite(values)
    fit = fit_blocks(values, has)
    group, block = np.nonzero(has[0])
    design = np.concatenate([np.eye(4)[group], np.eye(5)[block]], axis=1)
    hat = design @ np.linalg.pinv(design)
    y = values[0][has[0]]
    residuals = y - hat @ y
    for index in range(4):
        inside = group == index
        df = (1 - np.diag(hat)[inside]).sum()
        assert fit.df[0, index] == pytest.approx(df)
        assert fit.variances[0, index] == pytest.approx((residuals[inside] ** 2).sum() / df)
    solution = np.linalg.pinv(design) @ y
    weights = (np.linalg.pinv(design)[1] - np.linalg.pinv(design)[3]) ** 2
    factors = fit.pair_weights(1, np.array([3]))
    assert fit.means[0, 1] - fit.means[0, 3] == pytest.approx(solution[1] - solution[3])
    assert factors[0] == pytest.approx([weights[group == index].sum() for index in range(4)])


def test_many_data_sets_give_the_numbers_of_each() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(20, 5, 4))
    values[rng.random(values.shape) < 0.15] = np.nan
    reference = rng.integers(0, 5, 20)
    together = contrasts(values, reference, "pairs")
    tested = 0
    for index in range(20):
        alone = contrasts(values[index : index + 1], reference[index : index + 1], "pairs")
        for name in ("difference", "df", "tested", "blocked"):
            assert getattr(together, name)[index] == pytest.approx(getattr(alone, name)[0]), name
        finite = alone.tested[0]
        assert together.error[index][finite] == pytest.approx(alone.error[0][finite])
        tested += int(finite.sum())
    assert tested > 50


def test_groups_without_common_seeds_are_not_blocked() -> None:
    """Two groups on seeds 0 to 3, two on 4 to 7: only within each half do seeds cancel."""
    rng = np.random.default_rng(3)
    values = np.full((1, 4, 8), np.nan)
    values[0, :2, :4], values[0, 2:, 4:] = rng.normal(size=(2, 2, 4))
    found = contrasts(values, np.array([0]), "pairs")
    assert found.blocked[0].tolist() == [True, True, False, False]


def test_small_variances_are_raised_and_large_ones_kept() -> None:
    variance, df = np.array([[1.0, 1.0, 1.0, 0.01, 50.0]]), np.full((1, 5), 4.0)
    raised, more = moderated(variance, df, np.ones((1, 5), dtype=bool))
    bias = np.log(stats.gmean(variance[0])) - np.mean(
        np.log(stats.chi2.rvs(4, size=200_000, random_state=0) / 4)
    )
    typical = np.exp(bias)
    assert raised[0, 4] == 50.0
    assert raised[0, 3] == pytest.approx((PRIOR_DF * typical + 4 * 0.01) / (PRIOR_DF + 4), rel=0.01)
    assert (more > 4).all()
    assert (more < 4 + MOST_GAINED).all()  # the variances differ by more than chance
    assert (moderated(np.ones((1, 20)), np.full((1, 20), 4.0), np.ones((1, 20), bool))[1] == 5).all()
    two, same = moderated(variance[:, :2], df[:, :2], np.ones((1, 2), dtype=bool))
    assert (two == variance[:, :2]).all()
    assert (same == 4).all()


def test_grids() -> None:
    rng = np.random.default_rng(0)
    assert grid_step(np.round(rng.integers(300, 360, 40) / 360, 7)) == pytest.approx(1 / 360, rel=1e-3)
    assert grid_step(rng.normal(size=40)) is None
    assert grid_step([0.5, 0.5]) is None
    assert grid_step([0.5, 0.52], examples=360) == pytest.approx(0.02)  # 0.52 is no share of 360
    assert least_variance(np.ones((1, 2, 3)), 0.5)[0, 0] == 0.0625


def test_groups_are_linked_by_the_blocks_that_they_share() -> None:
    has = np.zeros((1, 5, 6), dtype=bool)
    for group, blocks in enumerate(((0, 1), (1, 2), (2, 3), (4, 5), ())):
        has[0, group, list(blocks)] = True
    component = fit_blocks(np.ones(has.shape), has).component[0]
    assert component[0] == component[1] == component[2]
    assert len({*component[2:]}) == 3


def test_many_groups_without_common_blocks() -> None:
    generator = np.random.default_rng(0)
    groups = {
        g: {2 * g: float(a), 2 * g + 1: float(b)} for g, (a, b) in enumerate(generator.random((1500, 2)))
    }
    comparisons = compare(groups, reference=0).comparisons
    assert {comparison.test for comparison in comparisons.values()} == {"Welch t"}
    means = {group: sum(values.values()) / 2 for group, values in groups.items()}
    assert comparisons[7].difference == pytest.approx(means[7] - means[0])
