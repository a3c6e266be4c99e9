"""Comparing two settings seed by seed, looking after every wave: a test that stays valid at every look.

The interval of the mean difference is a confidence sequence: with probability `1 - ALPHA` it covers the true
mean at all numbers of seeds at once, so one may look whenever one likes, stop for any reason, and extend the
budget after looking. It inverts the t-test by mixture, whose statistic is a nonnegative martingale of mean 1
for normal differences of any variance (Lai 1976, Ann. Statist. 4, 265-280; Wang and Ramdas 2024, arXiv
2310.03722):

    E(n) = sqrt(c / (n + c)) * (1 - n / (n + c) * t² / (n - 1 + t²)) ** (-n / 2)

with Student's t, and a prior of variance 1/c on the effect in standard deviations. By Ville's inequality it
ever exceeds 1/alpha with probability alpha at most. Where the differences are skewed, as those of a setting
that fails to converge now and then, the interval is widened by the transformation of Hall (1992, J. R.
Statist. Soc. B 54, 221-228). It never gets narrower, so that what holds for normal differences still does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["better", "worse", "equivalent", "undecided"]

ALPHA = 0.045  # of the interval: with ALPHA_COLLAPSE 5 %
ALPHA_COLLAPSE = 0.005  # of the comparison of how often runs collapse
PRIOR_PRECISION = 4.0  # c; the sequence is narrowest, compared with Student's intervals, at about 60 seeds
FIRST_WAVE = 8  # seeds; with fewer no interval is finite
GROWTH = 1.5  # from a wave to the next, in seeds so far
MOST_SEEDS = 10_000_000
FLAT = 1e-6  # of a skewness that is only rounding


@dataclass(frozen=True)
class SequentialInterval:
    """The mean difference with its confidence sequence at a number of seeds.

    Attributes:
        n: Number of differences.
        mean: Their mean, in the unit of the metric; None for n = 0.
        sd: Their standard deviation, at least the resolution of the metric; None for n < 2.
        low: Lower end of the interval; None where it is infinite.
        high: Upper end of the interval; None where it is infinite.
    """

    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def critical_value(n: int, alpha: float = ALPHA) -> float:
    """Return the critical value of Student's t that keeps its level at every number of seeds at once.

    Args:
        n: Number of differences.
        alpha: The probability that the value is exceeded at any n, both sides together.

    Returns:
        The value; infinite where no t is large enough.

    >>> round(critical_value(62), 2), critical_value(5)
    (3.2, inf)
    """
    if n < 2:
        return math.inf
    share = n / (n + PRIOR_PRECISION)
    explained = -math.expm1(2 / n * (math.log(alpha) + 0.5 * math.log1p(-share))) / share
    return math.sqrt((n - 1) * explained / (1 - explained)) if explained < 1 else math.inf


def sequential_interval(
    differences: Sequence[float], *, resolution: float = 0.0, most: float = math.inf
) -> SequentialInterval:
    """Compute the interval of the mean of the differences that have been seen so far.

    Args:
        differences: One for each seed, in the unit of the metric.
        resolution: The least standard deviation to believe in, such as 1 / test examples for an accuracy:
            equal counts do not show that the next one will be equal, too.
        most: The largest difference that the metric can have; the interval ends there.
    """
    n = len(differences)
    if n == 0:
        return SequentialInterval(0)
    mean = math.fsum(differences) / n
    if n == 1:
        return SequentialInterval(1, mean)
    squares = math.fsum((difference - mean) ** 2 for difference in differences)
    sd = max(math.sqrt(squares / (n - 1)), resolution)
    critical = critical_value(n)
    if math.isinf(critical):
        return SequentialInterval(n, mean, sd)
    skewness = _skewness(differences, mean) if sd > resolution else 0.0
    reach = critical / math.sqrt(n)
    below = max(reach, untransformed(reach, skewness, n))
    above = max(reach, -untransformed(-reach, skewness, n))
    return SequentialInterval(n, mean, sd, max(mean - sd * below, -most), min(mean + sd * above, most))


def _skewness(differences: Sequence[float], mean: float) -> float:
    squares, cubes = (math.fsum((value - mean) ** power for value in differences) for power in (2, 3))
    return math.sqrt(len(differences)) * cubes / squares**1.5 if squares > 0 else 0.0


def untransformed(value: float, skewness: float, n: int) -> float:
    """Invert Hall's transformation, whose value is nearly symmetric about 0 where t is skewed.

    With T = (mean of the sample - true mean) / sd and the skewness g it is T + g T²/3 + g² T³/27 + g/(6n).

    Args:
        value: Of the transformation.
        skewness: Of the sample, the third central moment over the cubed standard deviation.
        n: Size of the sample.

    Returns:
        T.
    """
    if abs(skewness) < FLAT:
        return value
    cube = 1 + skewness * (value - skewness / (6 * n))
    return 3 / skewness * (math.copysign(abs(cube) ** (1 / 3), cube) - 1)


def collapse_evidence(only_first: int, only_second: int) -> float:
    """Measure the evidence that one of two settings collapses more often, from seeds on which one alone did.

    If both collapse equally often, each such seed is a fair coin. The likelihood ratio of a coin with a
    uniform prior is a martingale of mean 1 (Ville 1939; Robbins 1970, Ann. Math. Statist. 41, 1397-1409),
    valid at every look.

    Args:
        only_first: Seeds on which only the first setting collapsed.
        only_second: Seeds on which only the second did.

    Returns:
        The likelihood ratio; at least `1 / ALPHA_COLLAPSE` decides.
    """
    total = only_first + only_second
    return 2.0**total / ((total + 1) * math.comb(total, only_first))


def sequential_verdict(
    interval: SequentialInterval,
    margin: float,
    *,
    higher_is_better: bool,
    only_first_collapsed: int = 0,
    only_second_collapsed: int = 0,
) -> Verdict:
    """Say what is known of the second setting compared with the first.

    `equivalent` if the whole interval is nearer to 0 than the margin, even if it does not contain 0; else
    `better` or `worse` if it does not contain 0. Where collapses differ they decide, unless the interval says
    the opposite.

    Args:
        interval: Of the second setting's values minus the first's, of the seeds on which neither collapsed.
        margin: Differences below it do not matter; in the unit of the metric, positive.
        higher_is_better: Direction of the metric.
        only_first_collapsed: Seeds on which only the first setting collapsed.
        only_second_collapsed: Seeds on which only the second did.
    """
    by_value: Verdict = "undecided"
    if interval.low is not None and interval.high is not None:
        if -margin < interval.low and interval.high < margin:
            by_value = "equivalent"
        elif interval.low > 0 or interval.high < 0:
            by_value = "better" if (interval.low > 0) == higher_is_better else "worse"
    if collapse_evidence(only_first_collapsed, only_second_collapsed) < 1 / ALPHA_COLLAPSE:
        return by_value
    by_collapse: Verdict = "worse" if only_second_collapsed > only_first_collapsed else "better"
    return by_collapse if by_value in ("undecided", "equivalent", by_collapse) else "undecided"


def seeds_needed(interval: SequentialInterval, margin: float) -> int | None:
    """Estimate the seeds at which a verdict is due if mean and standard deviation stay as they are.

    Args:
        interval: What has been seen.
        margin: Differences below it do not matter.

    Returns:
        The number; None without a standard deviation, or above ten million.
    """
    if interval.mean is None or not interval.sd:
        return None
    target = max(abs(interval.mean), margin - abs(interval.mean)) / interval.sd
    low, high = 1, FIRST_WAVE
    while critical_value(high) / math.sqrt(high) >= target:
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if critical_value(middle) / math.sqrt(middle) < target else (middle, high)
    return high


def wave_ends(most: int) -> list[int]:
    """List the numbers of seeds at which one looks: each half as large again as the one before, then `most`.

    >>> wave_ends(50)
    [8, 12, 18, 27, 41, 50]
    """
    ends = [min(FIRST_WAVE, most)]
    while ends[-1] < most:
        ends.append(min(math.ceil(GROWTH * ends[-1]), most))
    return ends
