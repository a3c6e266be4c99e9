"""Means with intervals, and who can be told apart from the winner. All tests are scipy's and statsmodels'.

A group is what differs in nothing but the seed: `{seed: value}`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from scipy import stats

Group = Mapping[int, float]
Test = Literal["paired t", "Welch t", "sign flips", "relabelling", "none"]
Verdict = Literal["winner", "tie", "worse", "better", "untested"]

LEVEL = 0.95
ALPHA = 0.05
ROUNDING = 1e-9  # of the values: metrics are kept with seven digits, so what differs by less is equal


@dataclass(frozen=True)
class Summary:
    """Values of one group. `sd` is the sample's; it and the t interval `low`, `high` are None for n < 2."""

    n: int
    mean: float | None
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half of the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Comparison:
    """A group against the winner. `difference` is the group's mean less the winner's.

    `n` counts the pairs of a paired test, else the values of the group and of the winner. `low` and `high`
    are the difference's own 95 % interval; `p` is two-sided; `p_holm` is corrected for all comparisons that
    were made with the same winner, and decides the verdict.
    """

    name: str
    winner: str
    test: Test
    n: tuple[int, ...]
    difference: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    verdict: Verdict = "untested"


@dataclass(frozen=True)
class Ranking:
    """Who won, and every other group against it. `best`: the winner and all not shown to be worse."""

    winner: str | None
    comparisons: Mapping[str, Comparison]
    best: tuple[str, ...]
    alpha: float = ALPHA

    def verdict(self, name: str) -> Verdict:
        """How a group stands to the winner; untested where it has no values."""
        if name == self.winner:
            return "winner"
        found = self.comparisons.get(name)
        return found.verdict if found else "untested"


def summarise(values: Iterable[float], level: float = LEVEL) -> Summary:
    """Mean, sample standard deviation and Student's t interval of the mean."""
    sample = np.array(list(values), dtype=float)
    n = len(sample)
    if n == 0:
        return Summary(0, None)
    mean = float(sample.mean())
    if n == 1:
        return Summary(1, mean)
    sd = 0.0 if _constant(sample, sample) else float(sample.std(ddof=1))
    half = _quantile(level, n - 1) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - half, mean + half)


def best_of(groups: Mapping[str, Group], *, higher_is_better: bool = True) -> str | None:
    """The group with the best mean, the first of equals; None where no group has a value."""
    means = {name: float(np.mean(list(group.values()))) for name, group in groups.items() if group}
    if not means:
        return None
    return max(means, key=lambda name: means[name] if higher_is_better else -means[name])


def compare(
    groups: Mapping[str, Group],
    *,
    higher_is_better: bool = True,
    selection: Mapping[str, Group] | None = None,
    winner: str | None = None,
    alpha: float = ALPHA,
) -> Ranking:
    """Every group against the winner, with Holm's correction over these comparisons.

    The winner is `winner`, else the group with the best mean in `selection` (the validation metric: so the
    values that are tested did not choose it), else the one with the best mean in `groups`; a group of one
    value wins only where no group has more, as nothing could be told from it.
    A group is told apart when its corrected p is at most `alpha`.
    """
    groups = {name: group for name, group in groups.items() if group}
    able = [name for name, group in groups.items() if len(group) > 1] or list(groups)
    if winner is None and selection is not None:
        chosen_from = {name: selection.get(name, {}) for name in able}
        winner = best_of(chosen_from, higher_is_better=higher_is_better)
    if winner is None:
        winner = best_of({name: groups[name] for name in able}, higher_is_better=higher_is_better)
    if winner is None:
        return Ranking(None, {}, (), alpha)
    if winner not in groups:
        raise ValueError(f"{winner=} has no values; groups with values: {', '.join(groups) or 'none'}")
    made = [contrast(group, groups[winner], name, winner) for name, group in groups.items() if name != winner]
    tested = [each.p for each in made if each.p is not None]
    corrected = iter(holm(tested))
    judged = {}
    for each in made:
        if each.p is not None:
            p = next(corrected)
            each = replace(each, p_holm=p, verdict=_judge(each, p, alpha, higher_is_better))
        judged[each.name] = each
    best = [name for name in groups if name == winner or judged[name].verdict != "worse"]
    return Ranking(winner, judged, tuple(best), alpha)


def contrast(group: Group, winner: Group, name: str = "group", reference: str = "winner") -> Comparison:
    """One group against another, uncorrected.

    Paired t test over common seeds if there are at least two of them and they are at least half of the
    smaller group; else Welch's t test; none where a group has one value. Where nothing scatters there is no
    t statistic: equal values have p = 1, others the exact p of the permutation test.
    """
    common = sorted(group.keys() & winner.keys())
    paired = len(common) >= 2 and 2 * len(common) >= min(len(group), len(winner))
    if paired:
        a, b = (np.array([each[seed] for seed in common], dtype=float) for each in (group, winner))
        return _paired(a, b, Comparison(name, reference, "paired t", (len(common),), float((a - b).mean())))
    a, b = (np.array(list(each.values()), dtype=float) for each in (group, winner))
    if not len(a) or not len(b):
        return Comparison(name, reference, "none", (len(a), len(b)), None)
    plain = Comparison(name, reference, "Welch t", (len(a), len(b)), float(a.mean() - b.mean()))
    return replace(plain, test="none") if min(plain.n) < 2 else _unpaired(a, b, plain)


def _paired(a: Any, b: Any, plain: Comparison) -> Comparison:
    scale = np.concatenate([a, b])
    if not _constant(a - b, scale):
        return _with_t(plain, stats.ttest_rel(a, b))
    if _constant(np.append(a - b, 0.0), scale):
        return replace(plain, difference=0.0, p=1.0)
    # All n differences have one value: of the 2^n ways to flip their signs two are as extreme as this.
    return replace(plain, test="sign flips", p=float(stats.binomtest(len(a), len(a)).pvalue))


def _unpaired(a: Any, b: Any, plain: Comparison) -> Comparison:
    both = np.concatenate([a, b])
    if not (_constant(a, both) and _constant(b, both)):
        origin = a[0] if _constant(a, both) else b[0]  # else scipy warns of a constant's rounding
        return _with_t(plain, stats.ttest_ind(a - origin, b - origin, equal_var=False))
    if _constant(both, both):
        return replace(plain, difference=0.0, p=1.0)
    # Of all the ways to deal the values out to the two groups, two set them apart as this.
    return replace(plain, test="relabelling", p=min(1.0, 2 / math.comb(len(both), len(a))))


def _with_t(plain: Comparison, found: Any) -> Comparison:
    interval = found.confidence_interval(LEVEL)
    return replace(plain, p=float(found.pvalue), low=float(interval.low), high=float(interval.high))


def holm(ps: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm (1979), in their order."""
    if len(ps) < 2:
        return list(ps)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(ps, method="holm")[1]]


def _judge(each: Comparison, p: float, alpha: float, higher_is_better: bool) -> Verdict:
    if p > alpha or not each.difference:
        return "tie"
    return "better" if (each.difference > 0) == higher_is_better else "worse"


def _constant(values: Any, scale: Any) -> bool:
    return bool(np.ptp(values) <= ROUNDING * np.abs(scale).max())


@cache
def _quantile(level: float, freedom: int) -> float:
    return float(stats.t.ppf((1 + level) / 2, freedom))
