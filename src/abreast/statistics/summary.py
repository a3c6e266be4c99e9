"""The mean of a sample with its confidence interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from abreast.statistics.collapse import is_usable, share_interval
from abreast.statistics.interval import Bounds, intervals
from abreast.statistics.variance import grid_step

LEVEL = 0.95  # of all confidence intervals


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
        """The distance from the mean to the farther end of its interval.

        Ends differ where values are skewed, where the metric's range cuts one off, and for a winner that the
        data chose.
        """
        if self.mean is None or self.low is None or self.high is None:
            return None
        return max(self.high - self.mean, self.mean - self.low)


def summarise(
    values: Iterable[float],
    level: float = LEVEL,
    *,
    bounds: Bounds = (None, None),
    collapsed: int = 0,
    examples: int | None = None,
    overlap: float = 0.0,
) -> Summary:
    """Compute the mean, the sample standard deviation and the interval of the mean.

    The interval is that of `abreast.statistics.interval.intervals` for a single group.

    Args:
        values: The sample, in the unit of the metric, without the collapsed runs; a value that is not finite,
            or beyond `MOST`, counts as that of a collapsed run.
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
    usable = np.array([is_usable(value) for value in sample], dtype=bool)
    collapsed += int((~usable).sum())
    sample = sample[usable]
    n = len(sample)
    share = share_interval(collapsed, n + collapsed, level) if collapsed else (None, None)
    if n == 0:
        return Summary(0, None, None, None, None, collapsed, *share)
    mean = float(sample.mean())
    if n == 1:
        return Summary(1, mean, None, None, None, collapsed, *share)
    step = grid_step(sample, examples)
    low, high = intervals(sample[None, None], level=level, bounds=bounds, step=step, overlap=overlap)
    sd = 0.0 if np.ptp(sample) <= 1e-9 * np.abs(sample).max() else float(sample.std(ddof=1))
    return Summary(n, mean, sd, float(low[0, 0]), float(high[0, 0]), collapsed, *share)
