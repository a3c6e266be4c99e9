"""The method behind the verdicts in plain sentences: the test, its error rate, its power, the noise seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from abreast.metrics.registry import bounds
from abreast.report.formatting import format_count, format_number, metric_title, test_title
from abreast.report.groups import Analysis, Group, Task
from abreast.report.run import Run
from abreast.statistics.comparison import Comparison

PAGE = "docs/statistics.md"


def method(task: Task, analysis: Analysis) -> list[str]:
    """Say how the groups of a task were compared.

    Args:
        task: The groups.
        analysis: The analysis that they are from.

    Returns:
        A few sentences; where no test was possible at most how splits were pooled.
    """
    tested = [
        group.comparison for group in task.groups if group.comparison and group.comparison.p is not None
    ]
    blocks = task.splits.sentences(group.summary.n for group in task.groups)
    if not tested:
        return blocks
    names = sorted({test_title(comparison.test, task.splits.unit) for comparison in tested})
    tests = " or ".join(name if name.startswith("Welch") else f"the {name}" for name in names)
    level = round(100 * task.ranking.alpha)
    many = f"all {len(tested)} comparisons together" if len(tested) > 1 else "the comparison"
    lines = [
        f"Method: each group's {metric_title(analysis.metric)} was compared with that of the best group "
        f"by {tests}. The error rate of {level}% and the {100 - level}% intervals of the differences "
        f"hold for {many}. {PAGE} has the derivation, the error rates in simulations, and the limits."
    ]
    if analysis.margin is not None:
        lines[0] += (
            " Equivalent: two one-sided tests show that the difference is smaller than the margin, "
            f"{analysis.margin:g}."
        )
    power = _power(tested, task, analysis.metric)
    if power:
        lines.append(power)
    return [*lines, *blocks, noise(task)]


def noise(task: Task) -> str:
    """Say which sources of noise the runs of a task have seen, and which not.

    Args:
        task: The groups.
    """
    seeds = {run.seed for run in _counted(task.groups)}
    splits = task.splits
    seen = [format_count(len(seeds), "seed")] if seeds != {None} else ["repeats without a seed"]
    unseen = ["other examples than these" if splits.is_test_drawn else "another test set"]
    if splits.count > 1:
        seen.append(f"{splits.noun} of the data")
    else:
        unseen.insert(0, "another split of the data")
    return f"Noise seen: {' and '.join(seen)}. Not seen: {' and '.join(unseen)}, which may decide otherwise."


def _power(tested: Sequence[Comparison], task: Task, metric: str) -> str:
    """Which difference this many seeds could show."""
    sizes = sorted(c.smallest_difference for c in tested if c.smallest_difference is not None)
    if not sizes:
        return ""
    winner = task.winner
    unit = "run" if task.splits.count == 1 else task.splits.unit
    runs = f"{winner.summary.n} {unit}s" if winner else f"these {unit}s"
    least, most = bounds(metric)
    widest = math.inf if least is None or most is None else most - least
    possible = [size for size in sizes if size < widest]
    if not possible:
        title = metric_title(metric)
        return f"With {runs} in the best group, no difference that {title} can have is sure to be found."
    low, high = format_number(possible[0]), format_number(possible[-1])
    size = low if low == high else f"{low} to {high}, depending on the group,"
    if len(possible) < len(sizes):
        size = f"{low} or more, depending on the group,"
    return f"With {runs} in the best group, a difference of {size} would be found in 80% of such sweeps."


def _counted(groups: Iterable[Group]) -> Iterable[Run]:
    return (run for group in groups for run in group.runs if run.status == "finished")
