"""All groups compared with one of them, the reference."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from abreast.statistics.comparison import (
    ALPHA,
    NOT_WORSE,
    Bounds,
    Comparison,
    K,
    SeedValues,
    Verdict,
    contrast,
    holm,
)


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


def _verdict(comparison: Comparison, p: float, alpha: float, higher_is_better: bool) -> Verdict:
    if p > alpha or not comparison.difference:
        return "not significantly different"
    return "better" if (comparison.difference > 0) == higher_is_better else "worse"
