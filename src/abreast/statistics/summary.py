"""The mean of a sample with its confidence interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from abreast.statistics.collapse import share_interval

Sample = NDArray[np.float64]  # shape (n,)

LEVEL = 0.95  # of all confidence intervals
ROUNDING = 1e-9  # relative: metrics are stored with seven digits, so smaller differences are rounding


@dataclass(frozen=True)
class Summary:
    """A sample's size, mean, standard deviation and confidence interval of the mean.

    Attributes:
        n: Number of values.
        mean: Arithmetic mean; None for n = 0.
        sd: Sample standard deviation (n - 1 in the denominator); None for n < 2.
        low: Lower end of the 95 % confidence interval of the mean; None for n < 2.
        high: Upper end of that interval; None for n < 2.
        collapsed: Number of runs that collapsed; the other numbers are those of the runs that did not.
        collapsed_low: Lower end of the 95 % confidence interval of the share of runs that collapse.
        collapsed_high: Upper end of that interval.
    """

    n: int
    mean: float | None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    collapsed: int = 0
    collapsed_low: float | None = None
    collapsed_high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the width of the confidence interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def summarise(
    values: Iterable[float],
    level: float = LEVEL,
    *,
    bounds: tuple[float | None, float | None] = (None, None),
    collapsed: int = 0,
    examples: int | None = None,
    overlap: float = 0.0,
) -> Summary:
    """Compute the mean, the sample standard deviation and Student's t interval of the mean.

    The interval is mean ± t((1 + level) / 2, n - 1) · sd / √n (Student 1908, Biometrika 6(1), 1-25); the
    quantile is that of `scipy.stats.t`.

    Args:
        values: The sample, in the unit of the metric.
        level: Confidence level of the interval, in (0, 1).
        bounds: The lowest and the highest value that the metric can have.
        collapsed: Number of runs that collapsed; their values are not in the sample.
        examples: Number of test examples, where the metric is a share of them.
        overlap: Where the values are those of splits of the same data: test examples per training example.

    Returns:
        The summary; without an interval for fewer than two values.

    >>> summarise([0.5, 0.75, 1.0]).mean
    0.75
    >>> summarise([0.9]).half is None
    True
    """
    sample = np.array(list(values), dtype=float)
    n = len(sample)
    share = share_interval(collapsed, n + collapsed, level) if collapsed else (None, None)
    if n == 0:
        return Summary(0, None, collapsed=collapsed, collapsed_low=share[0], collapsed_high=share[1])
    mean = float(sample.mean())
    if n == 1:
        return Summary(1, mean, None, None, None, collapsed, *share)
    sd = 0.0 if is_constant(sample, sample) else float(sample.std(ddof=1))
    half = _quantile(level, n - 1) * sd / math.sqrt(n)
    low, high = mean - half, mean + half
    low = low if bounds[0] is None else max(low, bounds[0])
    high = high if bounds[1] is None else min(high, bounds[1])
    return Summary(n, mean, sd, low, high, collapsed, *share)


def is_constant(values: Sample, scale: Sample) -> bool:
    """Tell whether all values are equal up to rounding.

    Args:
        values: The values, shape (n,).
        scale: The values whose largest magnitude the rounding error is relative to, shape (m,).
    """
    return bool(np.ptp(values) <= ROUNDING * np.abs(scale).max())


@cache
def _quantile(level: float, degrees_of_freedom: int) -> float:
    return float(stats.t.ppf((1 + level) / 2, degrees_of_freedom))
