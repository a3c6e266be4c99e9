"""Confidence intervals of the groups' means, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abreast.statistics.maximum import critical
from abreast.statistics.variance import least_variance, moderated

Array = NDArray[np.float64]
Bounds = tuple[float | None, float | None]  # the lowest and highest value that the metric can have


def intervals(
    values: Array,
    *,
    level: float = 0.95,
    bounds: Bounds = (None, None),
    step: float | None = None,
    overlap: float = 0.0,
    winner: NDArray[np.intp] | None = None,
    higher_is_better: bool = True,
) -> tuple[Array, Array]:
    """Compute the interval of each group's mean.

    Student's m ± t s / √n (Student 1908, Biometrika 6(1), 1-25), with three additions: s is no smaller than
    the grid of values can show, it is raised where it is small by chance (`moderated`; three groups or more),
    and the interval ends at the bounds of the metric. The winner was selected for its mean, which is
    therefore too good on average: the end on the side of worse values uses the distribution of the mean of
    the best of as many groups.

    Args:
        values: Shape (data sets, groups, blocks); NaN where a group has no value in a block.
        level: Confidence level, in (0, 1).
        bounds: The lowest and the highest value that the metric can have.
        step: The distance of neighbouring values, where the metric lies on a grid.
        overlap: Where blocks are splits of the same data: test examples per training example.
        winner: Index of the selected group in each data set; None if none was selected.
        higher_is_better: Direction of the metric.

    Returns:
        Lower and upper ends, shape (data sets, groups); NaN with fewer than two values.
    """
    has = np.isfinite(values)
    n = has.sum(2)
    mean = np.where(has, values, 0.0).sum(2) / np.maximum(n, 1)
    squares = (np.where(has, values - mean[..., None], 0.0) ** 2).sum(2)
    known = n >= 2
    variance = np.maximum(squares / np.maximum(n - 1, 1), least_variance(values, step))
    variance, _ = moderated(variance, np.maximum(n - 1.0, 0.0), known)
    error = np.sqrt(variance * (1 / np.maximum(n, 1) + overlap))
    df = np.maximum(n - 1, 1)
    plain = -special.stdtrit(df, (1 - level) / 2)
    better, worse = plain * error, plain * error
    if winner is not None:
        rows = np.arange(len(values))
        groups = int(known.sum(1).max(initial=1))
        limit = critical(groups, df[rows, winner], "selection", 1 - level)
        worse = worse.copy()
        worse[rows, winner] = np.maximum(limit, plain[rows, winner]) * error[rows, winner]
    low, high = (mean - worse, mean + better) if higher_is_better else (mean - better, mean + worse)
    low = low if bounds[0] is None else np.maximum(low, bounds[0])
    high = high if bounds[1] is None else np.minimum(high, bounds[1])
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
