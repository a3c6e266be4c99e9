"""Confidence intervals of the groups' means, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abreast.statistics.maximum import critical
from abreast.statistics.variance import LEAST_GROUPS, least_variance, moderated

Array = NDArray[np.float64]
Bounds = tuple[float | None, float | None]  # the lowest and highest value that the metric can have
SHAPED = 4  # values that have a shape; three say so little of it that an end moves by half at most


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

    Student's m ± t s / √n (Student 1908, Biometrika 6(1), 1-25), with four additions: s is no smaller than
    the grid of values can show, it is raised where it is small by chance (`moderated`; three groups or more),
    and the interval ends at the bounds of the metric. With fewer groups, of which none is typical, each end
    is at least as far from the mean as that of Hall's transformation (`skewed_ends`): Student's interval
    covers too seldom where values are skewed. The winner was selected for its mean, which is therefore too
    good on average: the end on the side of worse values uses the distribution of the mean of the best of as
    many groups.

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
    below, above = plain.copy(), plain.copy()
    few = known.sum(1, keepdims=True) < LEAST_GROUPS
    if few.any():
        deviations = np.where(has, values - mean[..., None], 0.0)
        ends = skewed_ends(deviations, np.maximum(n, 1), plain, least_variance(values, None))
        below, above = (np.where(few, np.maximum(plain, end), plain) for end in ends)
    if winner is not None:
        rows = np.arange(len(values))
        groups = int(known.sum(1).max(initial=1))
        limit = critical(groups, df[rows, winner], "selection", 1 - level)
        worse = below if higher_is_better else above
        worse[rows, winner] = np.maximum(limit, worse[rows, winner])
    low, high = mean - below * error, mean + above * error
    low = low if bounds[0] is None else np.maximum(low, bounds[0])
    high = high if bounds[1] is None else np.minimum(high, bounds[1])
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def skewed_ends(deviations: Array, n: NDArray[np.intp], t: Array, least: Array) -> tuple[Array, Array]:
    """Compute how far the ends of the interval of a mean are from it where the values are skewed.

    The t statistic T of skewed values is skewed, too. Hall's transformation g(T) = T + g T²/(3 √n) +
    g² T³/(27 n) + g/(6 √n), with the skewness g of the values, is nearly symmetric, increasing, and has an
    inverse in closed form (Hall 1992, J. R. Stat. Soc. B 54, 221-228; Zhou and Gao 2000, Am. Stat. 54,
    100-104), here with the quantile of Student's distribution for g(T).

    Args:
        deviations: The values less their mean, 0 where there is none, shape (..., blocks).
        n: Number of values, shape (...).
        t: The quantile, same shape.
        least: The variance below which values are equal but for rounding, positive, broadcast against them.

    Returns:
        The distances of the lower and the upper end, in standard errors; Student's is `t` for both.
    """
    second = (deviations**2).sum(-1) / n
    scaled = deviations / np.sqrt(np.maximum(second, least))[..., None]
    skewness = np.where(second > least, (scaled**3).sum(-1) / n, 0.0)
    root = np.sqrt(n)
    is_skewed = np.abs(skewness) > 1e-6
    g = np.where(is_skewed, skewness, 1.0)
    lower, upper = (
        np.where(is_skewed, sign * root * 3 / g * (np.cbrt(1 + g * (sign * t / root - g / (6 * n))) - 1), t)
        for sign in (1, -1)
    )
    most = np.where(n < SHAPED, 1.5 * t, np.inf)
    return np.minimum(lower, most), np.minimum(upper, most)
