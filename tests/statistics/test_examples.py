"""Intervals over seeds and test examples, against known truth and other ways to compute them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from statsmodels.stats.proportion import proportion_confint

from abreast.statistics.examples import (
    crossed_difference,
    crossed_mean,
    variance_if_independent,
    variance_on_distribution,
    wilson,
)

Array = NDArray[np.float64]
TRIALS = 400


def test_the_variance_on_the_distribution_is_that_of_the_analysis_of_variance() -> None:
    values = np.random.default_rng(0).random((4, 50))
    runs, examples = values.shape
    by_run, by_example = values.mean(axis=1), values.mean(axis=0)
    # Mean squares of the two-way layout without replication, as in any textbook
    of_runs = examples * by_run.var(ddof=1)
    residuals = values - by_run[:, None] - by_example + values.mean()
    of_residuals = (residuals**2).sum() / ((runs - 1) * (examples - 1))
    assert variance_on_distribution(values) == pytest.approx((of_runs - of_residuals) / examples)


def test_independent_outcomes_of_calibrated_networks() -> None:
    # Jordan (arXiv 2304.01910), abstract: the variance of a binary classification follows from its error rate
    # and number of examples. Where a share q of the networks says yes to examples of which a share q is yes,
    # the error rate is 2 q (1 - q), and so the variance is error / (2 n).
    rng = np.random.default_rng(0)
    examples = 20_000
    q = rng.random(examples)
    labels = rng.random(examples) < q
    correct = (rng.random((200, examples)) < q) == labels
    error = 1 - correct.mean()
    assert variance_if_independent(correct) == pytest.approx(error / (2 * examples), rel=0.02)
    # With independent outcomes there is no other variance: the networks are equally good.
    assert correct.mean(axis=1).var(ddof=1) == pytest.approx(error / (2 * examples), rel=0.3)


def population(rng: np.random.Generator, seeds: int, sd: float) -> Callable[[int], Array]:
    """Networks whose accuracy on infinitely many examples varies; gives outcomes on new examples."""
    of_seeds = sd * rng.normal(size=(seeds, 1))

    def outcomes(examples: int) -> Array:
        difficulty = 4 + 2 * rng.normal(size=examples)
        found: Array = rng.random((seeds, examples)) < expit(difficulty + of_seeds)
        return found

    return outcomes


def accuracy(shift: float, sd: float) -> float:
    """The accuracy on infinitely many examples: the logistic function's mean over a normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights @ expit(shift + sd * nodes)) / weights.sum())


def test_the_distribution_sees_less_variance_than_a_test_set() -> None:
    rng = np.random.default_rng(1)
    truth = np.std([accuracy(4 + 0.1 * z, 2) for z in rng.normal(size=300)])
    estimates, on_test_sets = [], []
    for _ in range(TRIALS):
        values = population(rng, seeds=5, sd=0.1)(360)
        estimates.append(variance_on_distribution(values))
        on_test_sets.append(values.mean(axis=1).var(ddof=1))
    error = np.std(estimates) / np.sqrt(TRIALS)
    assert abs(np.mean(estimates) - truth**2) < 3 * error  # unbiased
    assert np.mean(on_test_sets) > 3 * truth**2  # what a test set of 360 adds


@pytest.mark.parametrize("correct", [0, 1, 180, 351, 360])
def test_one_run_has_wilsons_interval(correct: int) -> None:
    values = np.arange(360)[None] < correct
    found = crossed_mean(values)
    low, high = proportion_confint(correct, 360, method="wilson")
    # Student's quantile with 359 degrees of freedom is 0.3 % above the normal one
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-4)
    assert wilson(correct / 360, 360, 1.959964) == pytest.approx((low, high), abs=1e-6)
    assert 0 <= found.low < found.high <= 1
    assert found.move > 0
    assert found.seed_sd is None


@pytest.mark.parametrize(("seeds", "sd"), [(2, 0.1), (3, 0.3), (5, 0.1), (10, 0.0), (10, 0.5)])
def test_intervals_cover_the_truth(seeds: int, sd: float) -> None:
    rng = np.random.default_rng(seeds)
    truth = accuracy(4, np.hypot(2, sd))
    covered = covered_difference = moved = 0
    for _ in range(TRIALS):
        networks, others = population(rng, seeds, sd), population(rng, seeds, sd)
        first, another = networks(360), networks(360)
        found = crossed_mean(first)
        covered += found.low <= truth <= found.high
        moved += abs(first.mean() - another.mean()) <= found.move
        difference = crossed_difference(first, others(360), same_seeds=False)
        covered_difference += difference.low <= 0 <= difference.high
    assert covered >= 0.93 * TRIALS
    assert covered_difference >= 0.93 * TRIALS
    assert moved >= 0.93 * TRIALS


def test_a_difference_is_paired_over_examples_and_seeds() -> None:
    rng = np.random.default_rng(3)
    difficulty = 4 + 2 * rng.normal(size=2000)
    of_seeds = 0.5 * rng.normal(size=(5, 1))
    first, second = (rng.random((5, 2000)) < expit(difficulty + of_seeds + shift) for shift in (0.0, 0.3))
    paired = crossed_difference(first, second, same_seeds=True)
    mixed = crossed_difference(first, second, same_seeds=False)
    shuffled = crossed_difference(first, rng.permuted(second, axis=1), same_seeds=True)
    assert paired.mean == pytest.approx(first.mean() - second.mean())
    assert paired.high - paired.low < mixed.high - mixed.low
    assert paired.move < shuffled.move


def test_the_crossed_bootstrap_finds_the_same_spread() -> None:
    rng = np.random.default_rng(4)
    losses = rng.exponential(size=(12, 1)) * 0.2 + rng.exponential(size=300) + rng.exponential(size=(12, 300))
    found = crossed_mean(losses)
    # Runs and examples drawn with replacement, independently (Owen 2007, Ann. Appl. Stat. 1, 386-411)
    means = []
    for _ in range(2000):
        rows, columns = rng.integers(12, size=12), rng.integers(300, size=300)
        means.append(losses[np.ix_(rows, columns)].mean())
    half = 2.2 * np.std(means)  # Student's quantile for 11 degrees of freedom
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)
    assert found.low < losses.mean() < found.high


def test_no_interval_has_width_zero_where_runs_agree() -> None:
    correct = np.ones((5, 100), dtype=bool)
    mean, difference = crossed_mean(correct), crossed_difference(correct, correct, same_seeds=True)
    assert mean.low < 0.97
    assert mean.high == 1
    assert min(mean.move, difference.move) > 0
    assert difference.low < 0 < difference.high
