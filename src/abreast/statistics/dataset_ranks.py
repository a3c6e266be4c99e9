"""Groups ranked over several data sets, with the tests of Friedman, Nemenyi and Holm.

After Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 1-30. A data set
counts once, however many runs there are on it: the conclusion is on data sets like these.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abreast.statistics.comparison import ALPHA
from abreast.statistics.holm import holm

K = TypeVar("K", bound=Hashable)  # a group
D = TypeVar("D", bound=Hashable)  # a data set

FEWEST = 5  # data sets, below which nothing is tested
DIGITS = 7  # metrics are stored with so many: what is equal in these is a tie


@dataclass(frozen=True)
class DatasetRanks(Generic[K, D]):
    """The ranks of groups on each data set, and what follows from them.

    Attributes:
        groups: The groups, that with the best mean rank first.
        datasets: The data sets.
        ranks: `[groups, datasets]`; 1 is best, ties share the mean of their ranks.
        friedman: Friedman's statistic, corrected for ties.
        f: The statistic of Iman and Davenport, with `groups - 1` and `(groups - 1) (datasets - 1)` degrees of
            freedom.
        p: Its p-value: whether the groups differ at all. None for fewer than `FEWEST` data sets.
        critical_difference: Mean ranks that differ by this much differ significantly (Nemenyi); None as `p`.
        p_holm: Each group against the best one, by Holm's correction for all pairs; None as for `p`.
    """

    groups: tuple[K, ...]
    datasets: tuple[D, ...]
    ranks: NDArray[np.float64]
    friedman: float
    f: float
    p: float | None = None
    critical_difference: float | None = None
    p_holm: tuple[float, ...] | None = None

    @property
    def mean_ranks(self) -> NDArray[np.float64]:
        """Each group's mean rank over the data sets."""
        means: NDArray[np.float64] = self.ranks.mean(axis=1)
        return means

    @property
    def alike(self) -> list[tuple[int, int]]:
        """Neighbours in the order that do not differ significantly, as many as possible: first and last."""
        if self.critical_difference is None:
            return []
        means, cliques = self.mean_ranks, list[tuple[int, int]]()
        for first in range(len(means)):
            last = int(np.flatnonzero(means - means[first] < self.critical_difference)[-1])
            if last > first and (not cliques or last > cliques[-1][1]):
                cliques.append((first, last))
        return cliques


def rank_over_datasets(
    scores: Mapping[K, Mapping[D, float]], higher_is_better: Mapping[D, bool]
) -> DatasetRanks[K, D]:
    """Rank groups on each data set and test whether their mean ranks differ.

    Args:
        scores: Each group's mean on each data set; the metric may be another one on each. Infinite values of
            the worse sign are groups that failed there: they share the last rank.
        higher_is_better: The direction of each data set's metric.

    Raises:
        ValueError: If there are fewer than two groups or data sets, or a group has no score on a data set.
    """
    from scipy.stats import rankdata  # late: its import takes half a second, and most reports do without

    names, datasets = list(scores), list(higher_is_better)
    if len(names) < 2 or len(datasets) < 2:
        raise ValueError(f"ranks take two groups and two data sets, not {len(names)} and {len(datasets)}")
    missing = [(name, data) for name in names for data in datasets if data not in scores[name]]
    if missing:
        raise ValueError(f"{missing[0][0]} has no score on {missing[0][1]}")
    table = np.array([[scores[name][data] for data in datasets] for name in names], dtype=float)
    signs = np.array([-1.0 if higher_is_better[data] else 1.0 for data in datasets])
    rounded = np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"))(table) * signs
    ranks: NDArray[np.float64] = rankdata(rounded, axis=0)
    order = np.argsort(ranks.mean(axis=1), kind="stable")
    ranks = ranks[order]
    groups = tuple(names[index] for index in order)
    statistic, f = friedman(ranks)
    if len(datasets) < FEWEST:
        return DatasetRanks(groups, tuple(datasets), ranks, statistic, f)
    k, n = ranks.shape
    p = float(special.fdtrc(k - 1, (k - 1) * (n - 1), f))
    difference = critical_difference(k, n)
    return DatasetRanks(groups, tuple(datasets), ranks, statistic, f, p, difference, holm_against_best(ranks))


def friedman(ranks: NDArray[np.float64], *, ties: bool = True) -> tuple[float, float]:
    """Friedman's statistic and that of Iman and Davenport.

    Args:
        ranks: `[groups, datasets]`.
        ties: Whether to correct for ties, as scipy does; Demšar's formula does not.

    Returns:
        Chi square with k - 1 degrees of freedom, and F (Iman and Davenport 1980, Commun. Stat. 9, 571-595).
    """
    k, n = ranks.shape
    squares = float(np.square(ranks.mean(axis=1)).sum())
    statistic = 12 * n / (k * (k + 1)) * (squares - k * (k + 1) ** 2 / 4)
    if ties:
        repeats = [np.unique(column, return_counts=True)[1] for column in ranks.T]
        tied = sum(float((counts**3 - counts).sum()) for counts in repeats)
        share = 1 - tied / (n * k * (k**2 - 1))
        statistic = statistic / share if share > 0 else 0.0
    rest = n * (k - 1) - statistic
    return statistic, math.inf if rest <= 1e-12 else (n - 1) * statistic / rest


def critical_difference(groups: int, datasets: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of two mean ranks.

    It is `q √(k (k + 1) / (6 n))`, with q the quantile of the studentized range divided by √2 (Demšar 2006,
    table 5).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    return _quantile(groups, alpha) / math.sqrt(2) * _standard_error(groups, datasets)


def holm_against_best(ranks: NDArray[np.float64]) -> tuple[float, ...]:
    """P-values of each group against the first one, by Holm's correction for all pairs of groups.

    As the first one is chosen by its ranks, all pairs count, not only those with it.
    """
    k, n = ranks.shape
    means = ranks.mean(axis=1)
    first, second = np.triu_indices(k, 1)
    z: NDArray[Any] = (means[second] - means[first]) / _standard_error(k, n)
    corrected = holm([float(value) for value in 2 * special.ndtr(-np.abs(z))])
    return (1.0, *corrected[: k - 1])


@cache
def _quantile(groups: int, alpha: float) -> float:
    from scipy import stats

    return float(stats.studentized_range.ppf(1 - alpha, groups, np.inf))


def _standard_error(groups: int, datasets: int) -> float:
    """Of the difference of two mean ranks, if the groups do not differ."""
    return math.sqrt(groups * (groups + 1) / (6 * datasets))
