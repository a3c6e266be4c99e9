"""The groups in order of their final metric, with their confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.config.types import Json
from abreast.report.figures.base import (
    COLORS,
    GREY,
    Figure,
    FigureOptions,
    rows_layout,
    safe_text,
    unique_names,
)
from abreast.report.figures.group_labels import hover_lines, short_label
from abreast.report.formatting import format_interval, format_number, metric_title, verdict_label
from abreast.report.groups import Analysis, Group, Task
from abreast.statistics.comparison import NOT_WORSE, Verdict

FEW_GROUPS = 15
MOST_GROUPS = 40
# Legend entry, verdicts, colour, marker and its size.
MARKS: tuple[tuple[str, tuple[Verdict, ...], str, str, int], ...] = (
    ("best", ("winner",), COLORS[0], "star", 14),
    ("not significantly worse", NOT_WORSE[1:], COLORS[0], "circle", 9),
    ("significantly worse", ("worse", "collapsed"), GREY, "diamond-open", 9),
)


def ranking(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the figure with the mean and interval of every group, the best at the top."""
    with_values = [group for group in task.groups if group.summary.mean is not None]
    groups = with_values[:MOST_GROUPS]
    if len(groups) < 2:
        return None
    choices = {f"first {count}": groups[:count] for count in (FEW_GROUPS, len(groups)) if count < len(groups)}
    choices["all" if len(with_values) == len(groups) else f"first {len(groups)}"] = groups
    caption = (
        f"Mean {metric_title(analysis.metric)} over seeds; the bar is the 95% confidence interval of the "
        "mean (none for a single seed). Overlapping bars do not decide significance: the corrected "
        "p-value in the table does."
    )
    if len(with_values) > len(groups):
        caption += f" {len(with_values) - len(groups)} more groups are in the table."
    return Figure(
        "ranking",
        "Groups in order",
        caption,
        {(name,): _in_order(part, analysis) for name, part in choices.items()},
        (("Show", list(choices)),),
        ("group", metric_title(analysis.metric), "95% interval", "n", "compared with the best"),
        [
            (
                short_label(group, analysis),
                format_number(group.summary.mean),
                format_interval(group.summary),
                group.summary.n,
                verdict_label(group),
            )
            for group in groups
        ],
    )


def _in_order(groups: Sequence[Group], analysis: Analysis) -> Json:
    names = unique_names([safe_text(short_label(group, analysis), 48) for group in groups])
    data = []
    for title, verdicts, color, marker, size in MARKS:
        marked = [(group, y) for group, y in zip(groups, names, strict=True) if group.verdict in verdicts]
        if not marked:
            continue
        bars = [group.summary.half or 0 for group, _ in marked]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "x": [group.summary.mean for group, _ in marked],
                "y": [y for _, y in marked],
                "error_x": {"type": "data", "array": bars, "thickness": 1.6, "width": 4, "color": color},
                "marker": {"color": color, "size": size, "symbol": marker},
                "customdata": [hover_lines(group) for group, _ in marked],
                "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
            }
        )
    return {"data": data, "layout": rows_layout(metric_title(analysis.metric), names)}
