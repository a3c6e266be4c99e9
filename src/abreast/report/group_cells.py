"""The columns of the table of groups, as text."""

from __future__ import annotations

from abreast.report.formatting import (
    format_collapsed,
    format_difference,
    format_difference_ends,
    format_failures,
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
    lost = {"failed": _failed, "collapsed": _collapsed}
    lost = {title: cell for title, cell in lost.items() if any(map(cell, groups))}
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


def _failed(group: Group) -> str:
    return format_failures(group.count("failed"), len(group.runs)).removesuffix(" failed")


def _collapsed(group: Group) -> str:
    return format_collapsed(group).removesuffix(" collapsed")
