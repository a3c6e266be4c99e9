"""Groups of runs compared with the best one. All tests are those of scipy and statsmodels.

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


@dataclass(frozen=True)
class Ranking:
    """The winner and the comparison of every other group with it.

    Attributes:
        winner: The name of the group that all others are compared with; None where no group has a value.
        comparisons: A comparison for every other group that has values, by name.
        best: The winner and every group that is not significantly worse.
        alpha: Significance level of the verdicts.
        margin: The difference up to which groups count as equivalent; None without one.
    """

    winner: Any
    comparisons: Mapping[Any, Comparison]
    best: tuple[Any, ...]
    alpha: float = ALPHA
    margin: float | None = None

    def verdict(self, name: Hashable) -> Verdict:
        """Return a group's verdict; `untested` for a group without values."""
        if name == self.winner:
            return "winner"
        comparison = self.comparisons.get(name)
        return comparison.verdict if comparison else "untested"


def best_of(groups: Mapping[K, SeedValues], *, higher_is_better: bool = True) -> K | None:
    """Return the group with the best mean, the first of equals; None where no group has a value."""
    means = {name: float(np.mean(list(values.values()))) for name, values in groups.items() if values}
    if not means:
        return None
    return max(means, key=lambda name: means[name] if higher_is_better else -means[name])


def compare(
    groups: Mapping[K, SeedValues],
    *,
    higher_is_better: bool = True,
    selection: Mapping[K, SeedValues] | None = None,
    reference: K | None = None,
    margin: float | None = None,
    bounds: Bounds = (None, None),
    collapsed: Mapping[K, SeedValues] | None = None,
    examples: int | None = None,
    overlap: float = 0.0,
    alpha: float = ALPHA,
) -> Ranking:
    """Compare every group with the reference, with Holm's correction for the number of comparisons.

    Args:
        groups: The values to test, by group and block, without the collapsed runs.
        higher_is_better: Direction of the metric.
        selection: The validation metric by group and block. The reference is the group with the best mean in
            it, so that the values which are tested did not choose it. Without it (or where it is empty) the
            reference is the group with the best mean in `groups`. A group with a single value is chosen only
            if no group has more, because nothing can be tested against a single value.
        reference: The reference, where it is already known.
        margin: The difference up to which groups count as equivalent, in the unit of the metric.
        bounds: The lowest and the highest value that the metric can have.
        collapsed: The values of the collapsed runs, by group and block.
        examples: Number of test examples, where the metric is a share of them.
        overlap: Where the blocks are splits of the same data: test examples per training example.
        alpha: A group differs significantly if its corrected p-value is at most this.

    Returns:
        The reference with all comparisons.

    Raises:
        ValueError: If `reference` has no values.

    >>> ranking = compare({"adam": {0: 0.95, 1: 0.96, 2: 0.97}, "sgd": {0: 0.90, 1: 0.91, 2: 0.93}})
    >>> ranking.winner, ranking.verdict("sgd")
    ('adam', 'worse')
    """
    lost = {name: values for name, values in (collapsed or {}).items() if values and not groups.get(name)}
    groups = {name: values for name, values in groups.items() if values}
    eligible = [name for name, values in groups.items() if len(values) > 1] or list(groups)
    winner = reference
    if winner is None and selection is not None:
        candidates = {name: selection.get(name, {}) for name in eligible}
        winner = best_of(candidates, higher_is_better=higher_is_better)
    if winner is None:
        winner = best_of({name: groups[name] for name in eligible}, higher_is_better=higher_is_better)
    if winner is None:
        return Ranking(None, {}, (), alpha, margin)
    if winner not in groups:
        having = ", ".join(map(str, groups)) or "none"
        raise ValueError(f"reference={winner!r} has no values; groups with values: {having}")
    raw = [
        contrast(values, groups[winner], name, winner) for name, values in groups.items() if name != winner
    ]
    corrected = iter(holm([comparison.p for comparison in raw if comparison.p is not None]))
    comparisons: dict[K, Comparison] = {}
    for name, comparison in zip((name for name in groups if name != winner), raw, strict=True):
        if comparison.p is not None:
            p = next(corrected)
            verdict = _verdict(comparison, p, alpha, higher_is_better)
            comparison = replace(comparison, p_adjusted=p, verdict=verdict)
        comparisons[name] = comparison
    for name, values in lost.items():
        n = (len(values), len(groups[winner]))
        comparisons[name] = Comparison(name, winner, "none", n, None, verdict="collapsed")
    best = [name for name in groups if name == winner or comparisons[name].verdict in NOT_WORSE]
    return Ranking(winner, comparisons, tuple(best), alpha, margin)


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


def _verdict(comparison: Comparison, p: float, alpha: float, higher_is_better: bool) -> Verdict:
    if p > alpha or not comparison.difference:
        return "not significantly different"
    return "better" if (comparison.difference > 0) == higher_is_better else "worse"
