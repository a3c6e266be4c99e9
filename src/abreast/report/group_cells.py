"""The columns of the table of groups, as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abreast.report.formatting import (
    format_collapsed,
    format_difference,
    format_difference_ends,
    format_failed,
    format_mean,
    format_p_value,
    metric_title,
    verdict_label,
)
from abreast.report.groups import Analysis, Group, Task
from abreast.report.settings import format_setting


def group_cells(task: Task, analysis: Analysis) -> tuple[list[str], list[list[str]], int]:
    """The table of a task's groups as text, the best first; markup and notebooks show the same columns.

    Returns:
        The heads, the rows, and how many of the columns are settings.
    """
    groups = task.groups
    lost = lost_columns(groups)
    heads = [
        *analysis.keys,
        *(
            metric_title(analysis.metric),
            "n",
            *lost,
            "difference",
            "95% interval",
            "p",
            "compared with the best",
        ),
    ]
    rows = []
    for group in groups:
        comparison = group.comparison
        compared = ["", "", ""]
        if comparison is not None and comparison.difference is not None:
            p = "" if comparison.p_adjusted is None else format_p_value(comparison.p_adjusted)
            compared = [format_difference(comparison.difference), format_difference_ends(comparison), p]
        rows.append(
            [
                *(format_setting(group.settings[key]) for key in analysis.keys),
                *(format_mean(group.summary), str(group.summary.n)),
                *(cell(group) for cell in lost.values()),
                *compared,
                verdict_label(group),
            ]
        )
    return heads, rows, len(analysis.keys)


def lost_columns(groups: Sequence[Group]) -> dict[str, Callable[[Group], str]]:
    """The columns of runs that no mean includes, by title, where there are such runs."""
    columns = {"failed": format_failed, "collapsed": format_collapsed}
    return {title: cell for title, cell in columns.items() if any(map(cell, groups))}
