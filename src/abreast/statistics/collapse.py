"""Runs that collapsed: what they are, and the share of runs that do."""

from __future__ import annotations

import math

from scipy import special

FALSE_ALARM = 1e-3  # probability that a run at chance is not recognised as one
MOST = 1e150  # the square of a larger value is infinite


def is_usable(value: float) -> bool:
    """Tell whether a value can be averaged: it is finite and at most `MOST`; else its run collapsed."""
    return abs(value) <= MOST


def is_collapsed(value: float, chance: float, examples: int) -> bool:
    """Tell whether an accuracy is one that guessing can reach: what a run that learned nothing ends at.

    The number of hits of a guess is binomial; a run collapsed if its number is at most that which guessing
    exceeds in one of a thousand runs. Nothing but chance and the number of examples enters.

    Args:
        value: The accuracy, in [0, 1]; a NaN counts as collapsed.
        chance: The accuracy of the best constant prediction, the share of the largest class, in (0, 1).
        examples: Number of test examples, at least 1.

    Raises:
        ValueError: If `chance` or `examples` is out of its range.

    >>> [is_collapsed(value, 0.1, 360) for value in (0.10, 0.15, 0.16, 0.97)]
    [True, True, False, False]
    """
    return math.isnan(value) or value <= chance_limit(chance, examples)


def chance_limit(chance: float, examples: int) -> float:
    """Return the highest accuracy that still counts as chance.

    Args:
        chance: The accuracy of the best constant prediction, in (0, 1).
        examples: Number of test examples, at least 1.

    Raises:
        ValueError: If an argument is out of its range.
    """
    if not 0 < chance < 1:
        raise ValueError(f"{chance=} must be between 0 and 1: the share of the largest class")
    if examples < 1:
        raise ValueError(f"{examples=} must be at least 1: the number of test examples")
    hits = max(0, math.ceil(special.bdtrik(1 - FALSE_ALARM, examples, chance)))
    if hits and special.bdtrc(hits - 1, examples, chance) <= FALSE_ALARM:
        hits -= 1
    elif special.bdtrc(hits, examples, chance) > FALSE_ALARM:  # by a rounding error of the inverse
        hits += 1
    return float(hits / examples)


def share_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934, Biometrika 26, 404-413), by scipy.

    Args:
        count: Number of runs that collapsed.
        n: Number of runs, at least 1.
        level: Confidence level, in (0, 1).

    Returns:
        Lower and upper end, in [0, 1].

    >>> [round(end, 4) for end in share_interval(2, 5)]
    [0.0527, 0.8534]
    """
    from scipy import stats  # late: its import takes half a second, which the end of a sweep does without

    interval = stats.binomtest(count, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def is_share_higher(counts: tuple[int, int], others: tuple[int, int], alpha: float = 0.05) -> bool:
    """Tell whether clearly more of a group's runs collapsed than of another's.

    Fisher's exact test, one-sided (Fisher 1935, J. R. Stat. Soc. 98, 39-82): the hypergeometric tail.

    Args:
        counts: How many runs of the group collapsed, and how many did not.
        others: The same of the other group.
        alpha: Significance level, which the p-value is below.

    >>> is_share_higher((4, 1), (0, 5)), is_share_higher((2, 3), (0, 5))
    (True, False)
    """
    (collapsed, rest), (others_collapsed, others_rest) = counts, others
    if not collapsed:
        return False
    group, both = collapsed + rest, collapsed + others_collapsed
    ways = [
        math.comb(both, k) * math.comb(rest + others_rest, group - k) for k in range(min(group, both) + 1)
    ]
    return sum(ways[collapsed:]) < alpha * sum(ways)
