"""One group compared with another. All tests are those of scipy and statsmodels.

A group is a set of runs that differ only in the seed; its values are a mapping from seed to metric. Groups
are named by any hashable key, and so are blocks: what a run shares with one run of each other group, the seed
or the split of the data.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from scipy import stats

from abreast.statistics.summary import LEVEL, Sample, is_constant

K = TypeVar("K", bound=Hashable)
SeedValues = Mapping[Any, float]  # a group's metric by block: by seed, or by split
Bounds = tuple[float | None, float | None]  # the lowest and highest value that the metric can have
Test = Literal["paired t", "Welch t", "sign flip", "permutation", "none"]
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
        reference: The group that it is compared with.
        test: The test that gave `p`.
        n: The number of pairs of a paired test, else the numbers of values of the group and of the reference.
        difference: The group's mean minus the reference's; None where a group has no values.
        low: Lower end of the simultaneous 95 % confidence interval of the difference.
        high: Upper end of that interval.
        p: p-value, not corrected; None where no test is possible.
        p_adjusted: The p-value corrected for all comparisons; it decides the verdict.
        smallest_difference: The smallest difference that this many seeds show with a probability of 80 %.
        seeds_needed: Seeds that each group needs to show the difference seen with a probability of 80 %.
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


def contrast(
    group: SeedValues, winner: SeedValues, name: Hashable = "group", reference: Hashable = "winner"
) -> Comparison:
    """Compare one group with another, without correction for multiplicity.

    - Student's paired t test (`scipy.stats.ttest_rel`) over the common seeds, if there are at least two of
      them and at least half as many as the smaller group has values;
    - else Welch's t test (Welch 1947, Biometrika 34; `scipy.stats.ttest_ind(equal_var=False)`);
    - no test if a group has fewer than two values.

    Without variance the t statistic is undefined: equal values have p = 1, others the exact
    two-sided p-value of the permutation test (paired: `scipy.stats.binomtest` on the signs).

    Args:
        group: The group's metric by seed.
        winner: The winner's metric by seed.
        name: The group's name in the result.
        reference: The winner's name in the result.

    Returns:
        The comparison with p-value and interval; its verdict is still `untested`.
    """
    common = sorted(group.keys() & winner.keys())
    is_paired = len(common) >= 2 and 2 * len(common) >= min(len(group), len(winner))
    if is_paired:
        a, b = (np.array([values[seed] for seed in common], dtype=float) for values in (group, winner))
        return _paired(a, b, Comparison(name, reference, "paired t", (len(common),), float((a - b).mean())))
    a, b = (np.array(list(values.values()), dtype=float) for values in (group, winner))
    if not len(a) or not len(b):
        return Comparison(name, reference, "none", (len(a), len(b)), None)
    untested = Comparison(name, reference, "Welch t", (len(a), len(b)), float(a.mean() - b.mean()))
    return replace(untested, test="none") if min(untested.n) < 2 else _unpaired(a, b, untested)


def _paired(a: Sample, b: Sample, untested: Comparison) -> Comparison:
    scale = np.concatenate([a, b])
    if not is_constant(a - b, scale):
        return _with_t(untested, stats.ttest_rel(a, b))
    if is_constant(np.append(a - b, 0.0), scale):
        return replace(untested, difference=0.0, p=1.0)
    # All n differences are equal: of the 2^n ways to flip their signs, two are as extreme as the data.
    return replace(untested, test="sign flip", p=float(stats.binomtest(len(a), len(a)).pvalue))


def _unpaired(a: Sample, b: Sample, untested: Comparison) -> Comparison:
    both = np.concatenate([a, b])
    if not (is_constant(a, both) and is_constant(b, both)):
        # Shifting by the constant sample keeps scipy from warning of its rounding error.
        origin = a[0] if is_constant(a, both) else b[0]
        return _with_t(untested, stats.ttest_ind(a - origin, b - origin, equal_var=False))
    if is_constant(both, both):
        return replace(untested, difference=0.0, p=1.0)
    # Both samples are constant: of all ways to assign the values to the groups, two separate them so far.
    return replace(untested, test="permutation", p=min(1.0, 2 / math.comb(len(both), len(a))))


def _with_t(untested: Comparison, result: Any) -> Comparison:
    interval = result.confidence_interval(LEVEL)
    return replace(untested, p=float(result.pvalue), low=float(interval.low), high=float(interval.high))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number.

    Step-down method of Holm (1979), Scand. J. Statist. 6, 65-70, by `statsmodels.stats.multitest`.

    Args:
        p_values: Uncorrected p-values.

    Returns:
        The corrected p-values, in the same order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]
