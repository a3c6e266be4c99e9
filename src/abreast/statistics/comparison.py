"""One group compared with another: what is known of the difference, and the verdict.

A group is a set of runs that differ only in the seed; its values are a mapping from seed to metric. Groups
are named by any hashable key, and so are blocks: what a run shares with one run of each other group, the seed
or the split of the data.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from scipy import special

from abreast.statistics.contrast import Contrasts
from abreast.statistics.maximum import Family, survival
from abreast.statistics.power import detectable_ratio, seeds_needed

K = TypeVar("K", bound=Hashable)
SeedValues = Mapping[Any, float]  # a group's metric by block: by seed, or by split
Test = Literal["paired t", "blocked t", "Welch t", "none"]
Verdict = Literal[
    "winner",
    "better",
    "worse",
    "equivalent",
    "not significantly different",
    "inconclusive",
    "collapsed",
    "untested",
]
NOT_WORSE: tuple[Verdict, ...] = (
    "winner",
    "better",
    "equivalent",
    "not significantly different",
    "inconclusive",
    "untested",
)

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """One group compared with the reference.

    Attributes:
        name: The group.
        reference: The group that it is compared with; None if all runs of all groups collapsed.
        test: The test that gave `p`: over common seeds with two groups (paired t) or more (blocked t),
            or over all values without regard to the seed (Welch t).
        n: The number of pairs of a paired test, else the numbers of values of the group and of the reference.
        difference: The group's mean minus the reference's; None where a group has no values.
        low: Lower end of the simultaneous 95 % confidence interval of the difference.
        high: Upper end of that interval.
        p: Two-sided p-value, not corrected; None where no test is possible.
        p_adjusted: The p-value corrected for all comparisons; it decides the verdict.
        smallest_difference: The smallest difference that this many seeds show with a probability of 80 %.
        seeds_needed: Seeds that each group needs to show the difference seen with a probability of 80 %; None
            without a difference, or above 10,000.
        p_equivalent: With a margin: the corrected p-value of the hypothesis that the difference is larger.
        verdict: The outcome of the comparison.
    """

    name: Hashable
    reference: Hashable
    test: Test
    n: tuple[int, ...]
    difference: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    smallest_difference: float | None = None
    seeds_needed: int | None = None
    p_equivalent: float | None = None
    verdict: Verdict = "untested"


@dataclass(frozen=True)
class Question:
    """What is asked of each comparison.

    Attributes:
        family: The comparisons that the p-values are corrected for.
        higher_is_better: Direction of the metric.
        alpha: The family-wise error.
        margin: The difference up to which groups count as equivalent; None without one.
    """

    family: Family
    higher_is_better: bool
    alpha: float
    margin: float | None = None


def read_comparison(
    names: tuple[Hashable, Hashable],
    counts: tuple[int, int, int],
    fitted: Contrasts,
    index: int,
    question: Question,
) -> Comparison:
    """Turn the contrast of one group into a comparison.

    Args:
        names: The group and the reference.
        counts: Number of values of the group and of the reference, and of their common blocks.
        fitted: The contrasts of one data set.
        index: Index of the group.
        question: What is asked.
    """
    difference = float(fitted.difference[0, index])
    if not fitted.tested[0, index]:
        seen = difference if min(counts[:2]) else None
        return Comparison(*names, "none", counts[:2], seen)
    blocked = bool(fitted.blocked[0, index])
    test: Test = ("paired t" if fitted.groups == 2 else "blocked t") if blocked else "Welch t"
    n = (counts[2],) if blocked else counts[:2]
    error, df = float(fitted.error[0, index]), float(fitted.df[0, index])
    limit = float(fitted.critical[0, index])
    t = abs(difference) / error
    significant = bool(fitted.significant[0, index])
    p = float(2 * special.stdtr(df, -t))
    p_adjusted = p if fitted.groups == 2 else max(p, _corrected(t, p, df, fitted, question))
    # Tables are interpolated: the p-value must not contradict the interval by a rounding error.
    p_adjusted = (
        min(p_adjusted, question.alpha) if significant else max(p_adjusted, math.nextafter(question.alpha, 1))
    )
    smallest = detectable_ratio(limit, df) * error
    p_equivalent = equivalence(difference, error, df, fitted.groups, question)
    per_seed = df / max(1, min(counts[2] if blocked else min(counts[:2]), *counts[:2]) - 1)
    size = (len(n) == 1 and n[0]) or 2 / (1 / counts[0] + 1 / counts[1])
    needed = seeds_needed(
        difference, error * math.sqrt(size), per_seed, fitted.groups, question.family, question.alpha
    )
    verdict = _verdict(difference, smallest, significant, p_equivalent, question)
    return Comparison(
        *names,
        test,
        n,
        difference,
        difference - limit * error,
        difference + limit * error,
        p,
        p_adjusted,
        smallest,
        needed,
        p_equivalent,
        verdict,
    )


def equivalence(difference: float, error: float, df: float, groups: int, question: Question) -> float | None:
    """Test that a difference is within the margin, by two one-sided tests.

    Schuirmann (1987, J. Pharmacokinet. Biopharm. 15, 657-680), each corrected for the number of groups.

    Args:
        difference: The difference of the means.
        error: Its standard error.
        df: Degrees of freedom of the error.
        groups: Number of groups in the family.
        question: The margin and the family.

    Returns:
        The larger of the two p-values; None without a margin.
    """
    if question.margin is None:
        return None
    inside = (question.margin - abs(difference)) / error
    family = question.family
    if groups == 2:
        return float(special.stdtr(df, -inside))
    one_sided: Family = "pairs" if family == "pairs" else "reference, one-sided"
    return float(survival(inside, groups, df, one_sided)) if inside > 0 else 1.0


def _corrected(t: float, p: float, df: float, fitted: Contrasts, question: Question) -> float:
    """The corrected p-value; with a fixed reference between that of dependent and independent tests."""
    together = float(survival(t, fitted.groups, df, question.family))
    if question.family == "pairs":
        return together
    apart = float(-np.expm1((fitted.groups - 1) * np.log1p(-min(p, 1 - 1e-16))))
    return float(fitted.shared[0]) * together + (1 - float(fitted.shared[0])) * apart


def _verdict(
    difference: float, smallest: float, significant: bool, p_equivalent: float | None, question: Question
) -> Verdict:
    if p_equivalent is not None and p_equivalent <= question.alpha:
        return "equivalent"
    if significant:
        return "better" if (difference > 0) == question.higher_is_better else "worse"
    if p_equivalent is not None or 2 * abs(difference) >= smallest:
        return "inconclusive"
    return "not significantly different"
