"""What a number of seeds can show: the smallest difference, and the seeds that a difference needs."""

from __future__ import annotations

import math

from scipy import special

from abreast.statistics.maximum import Family, critical

POWER = 0.8
MOST_SEEDS = 10_000


def detectable_ratio(critical_value: float, df: float, power: float = POWER) -> float:
    """Return the difference, in standard errors, that a t test shows with a given probability.

    The noncentral t distribution (`scipy.special.nctdtrinc`).

    Args:
        critical_value: The value above which the t statistic is significant.
        df: Its degrees of freedom.
        power: The probability, in (0, 1).

    >>> round(detectable_ratio(1.96, 1e6), 2)  # 1.96 + 0.84 for a known standard deviation
    2.8
    """
    ratio = float(special.nctdtrinc(df, 1 - power, critical_value))
    rough = critical_value + float(special.ndtri(power))
    return ratio if math.isfinite(ratio) and 0.2 * rough < ratio < 5 * rough else rough


def seeds_needed(
    difference: float,
    spread: float,
    df_per_seed: float,
    groups: int,
    family: Family,
    alpha: float,
) -> int | None:
    """Return the seeds per group that show a difference with a probability of 80 %.

    Args:
        difference: The difference, in the unit of the metric.
        spread: Standard deviation of the difference of two runs, one of each group.
        df_per_seed: Degrees of freedom that each seed after the first adds to the standard error.
        groups: Number of groups.
        family: The comparisons that are made.
        alpha: The family-wise error.

    Returns:
        The number; None if it is above 10,000.
    """

    def shows(n: int) -> bool:
        df = max(df_per_seed * (n - 1), 1.0)
        limit = float(critical(groups, df, family, alpha))
        return detectable_ratio(limit, df) * spread / math.sqrt(n) <= abs(difference)

    low, high = 1, 2
    while not shows(high):
        low, high = high, high * 2
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
