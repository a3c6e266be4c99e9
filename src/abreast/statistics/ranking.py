"""All groups compared with one of them, the reference."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from abreast.statistics.collapse import is_share_higher, is_usable
from abreast.statistics.comparison import (
    ALPHA,
    NOT_WORSE,
    Comparison,
    K,
    Question,
    SeedValues,
    Verdict,
    read_comparison,
)
from abreast.statistics.contrast import contrasts
from abreast.statistics.interval import Bounds, intervals
from abreast.statistics.summary import Summary, summarise
from abreast.statistics.table import ValueTable, tabulate
from abreast.statistics.variance import grid_step


@dataclass(frozen=True)
class Ranking:
    """The winner and the comparison of every other group with it.

    Attributes:
        winner: The name of the group that all others are compared with; None where no group has a value.
        comparisons: A comparison for every other group that has values or collapsed runs, by name.
        best: The winner and every group that is not significantly worse.
        alpha: Significance level of the verdicts.
        margin: The difference up to which groups count as equivalent; None without one.
        summaries: Mean and interval of every group. Variances are steadied by those of all groups, and the
            interval of a winner that the data chose allows for that choice.
        more_collapsed: Groups of which a larger share of runs collapsed than of the group with the smallest:
            their means are those of the runs that did not, and no unqualified claim in their favour is made.
    """

    winner: Any
    comparisons: Mapping[Any, Comparison]
    best: tuple[Any, ...]
    alpha: float = ALPHA
    margin: float | None = None
    summaries: Mapping[Any, Summary] = field(default_factory=dict)
    more_collapsed: tuple[Any, ...] = ()

    def verdict(self, name: Hashable) -> Verdict:
        """Return a group's verdict; `untested` for a group without values."""
        if name == self.winner and self.winner is not None:
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
    """Compare every group with the reference, with one error rate for all claims (docs/statistics.md).

    Args:
        groups: The values to test, by group and block, without the collapsed runs. One that is not finite, or
            beyond `MOST`, counts as that of a collapsed run.
        higher_is_better: Direction of the metric.
        selection: The validation metric by group and block. The reference is the group with the best mean in
            it, so that the values which are tested did not choose it. Without it (or where it is empty) the
            reference is the group with the best mean in `groups`. A group with a single value is chosen only
            if no group has more, because nothing can be tested against a single value, and a group of which
            clearly more runs collapsed only if there is no other.
        reference: The reference, where it was fixed before there were data: only the comparisons with it are
            corrected for. A reference that the data choose is corrected for all pairs of groups.
        margin: The difference up to which groups count as equivalent, in the unit of the metric.
        bounds: The lowest and the highest value that the metric can have.
        collapsed: The values of the collapsed runs, by group and block.
        examples: Number of test examples, where the metric is a share of them. Without it, the grid of the
            values is looked for.
        overlap: Where the blocks are splits of the same data: test examples per training example.
        alpha: A group differs significantly if its corrected p-value is at most this.

    Returns:
        The reference with all comparisons.

    Raises:
        ValueError: If `reference` has no values, or `margin`, `examples`, or `overlap` is out of range.

    >>> ranking = compare({"adam": {0: 0.95, 1: 0.96, 2: 0.97}, "sgd": {0: 0.70, 1: 0.71, 2: 0.73}})
    >>> ranking.winner, ranking.verdict("sgd")
    ('adam', 'worse')
    """
    _check(margin, examples, overlap)
    lost, groups = _apart(groups, collapsed or {})
    names = dict.fromkeys([*groups, *lost])
    counts = {name: (len(lost.get(name, {})), len(groups.get(name, {}))) for name in names}
    groups = {name: values for name, values in groups.items() if values}
    winner = reference
    if winner is None:
        winner = _choose(groups, selection, counts, higher_is_better)
    elif winner not in groups:
        having = ", ".join(map(str, groups)) or "none"
        raise ValueError(f"reference={winner!r} has no values; groups with values: {having}")
    question = Question("pairs" if reference is None else "reference", higher_is_better, alpha, margin)
    comparisons: dict[K, Comparison] = {}
    summaries: dict[K, Summary] = {}
    if winner is not None:
        table = tabulate(groups)
        step = grid_step(table.values, examples)
        chosen = winner if reference is None else None
        summaries = _summaries(table, counts, bounds, step, overlap, chosen, higher_is_better)
        index = np.array([table.names.index(winner)])
        fit = contrasts(table.values[None], index, question.family, alpha=alpha, step=step, overlap=overlap)
        has = np.isfinite(table.values)
        for position, name in enumerate(table.names):
            if name != winner:
                common = int((has[position] & has[index[0]]).sum())
                sizes = (len(groups[name]), len(groups[winner]), common)
                comparisons[name] = read_comparison((name, winner), sizes, fit, position, question)
    for name, (fallen, kept) in counts.items():
        if fallen and not kept:
            n = (fallen, counts[winner][1] if winner is not None else 0)
            comparisons[name] = Comparison(name, winner, "none", n, None, verdict="collapsed")
            summaries[name] = summarise([], collapsed=fallen)
    more = _more_collapsed(counts)
    for name in more:
        # A claim in favour of the runs that did not collapse would be silent about the others.
        if name in comparisons and comparisons[name].verdict in ("better", "equivalent"):
            comparisons[name] = replace(comparisons[name], verdict="inconclusive")
    best = [
        name
        for name in groups
        if winner is not None and (name == winner or comparisons[name].verdict in NOT_WORSE)
    ]
    return Ranking(winner, comparisons, tuple(best), alpha, margin, summaries, more)


def _apart(
    groups: Mapping[K, SeedValues], collapsed: Mapping[K, SeedValues]
) -> tuple[dict[K, SeedValues], dict[K, SeedValues]]:
    """Return the collapsed runs and the values that are left, both by group."""
    lost: dict[K, SeedValues] = {name: dict(values) for name, values in collapsed.items() if values}
    kept: dict[K, SeedValues] = {}
    for name, values in groups.items():
        fallen = {block: value for block, value in values.items() if not is_usable(value)}
        kept[name] = {block: value for block, value in values.items() if block not in fallen}
        if fallen:
            lost[name] = {**lost.get(name, {}), **fallen}
    return lost, kept


def _check(margin: float | None, examples: int | None, overlap: float) -> None:
    if margin is not None and not margin > 0:
        raise ValueError(f"{margin=} must be above 0: the difference up to which groups count as equivalent")
    if examples is not None and examples < 1:
        raise ValueError(f"{examples=} must be at least 1: the number of test examples")
    if not overlap >= 0:
        raise ValueError(f"{overlap=} must be at least 0: test examples per training example")


def _choose(
    groups: Mapping[K, SeedValues],
    selection: Mapping[K, SeedValues] | None,
    counts: Mapping[K, tuple[int, int]],
    higher_is_better: bool,
) -> K | None:
    safest = min(counts.values(), key=lambda count: count[0] / max(1, sum(count)), default=(0, 0))
    sound = {name: values for name, values in groups.items() if not is_share_higher(counts[name], safest)}
    several = {name for name, values in sound.items() if len(values) > 1}
    several = several or {name for name, values in groups.items() if len(values) > 1} or set(sound or groups)
    chosen = None
    if selection is not None:
        validated = {name: selection.get(name, {}) for name in groups if name in several}
        chosen = best_of(validated, higher_is_better=higher_is_better)
    if chosen is None:
        tested = {name: values for name, values in groups.items() if name in several}
        chosen = best_of(tested, higher_is_better=higher_is_better)
    return chosen


def _summaries(
    table: ValueTable[K],
    counts: Mapping[K, tuple[int, int]],
    bounds: Bounds,
    step: float | None,
    overlap: float,
    chosen: K | None,
    higher_is_better: bool,
) -> dict[K, Summary]:
    low, high = intervals(
        table.values[None],
        bounds=bounds,
        step=step,
        overlap=overlap,
        winner=None if chosen is None else np.array([table.names.index(chosen)]),
        higher_is_better=higher_is_better,
    )
    return {
        name: replace(
            summarise(table.of(index), collapsed=counts[name][0]),
            low=None if np.isnan(low[0, index]) else float(low[0, index]),
            high=None if np.isnan(high[0, index]) else float(high[0, index]),
        )
        for index, name in enumerate(table.names)
    }


def _more_collapsed(counts: Mapping[K, tuple[int, int]]) -> tuple[K, ...]:
    shares = {name: fallen / max(1, fallen + kept) for name, (fallen, kept) in counts.items()}
    least = min(shares.values(), default=0.0)
    return tuple(name for name, share in shares.items() if share > least)
