"""The differences of the groups from the best one, with their simultaneous intervals and the margin."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.config.types import Json
from abreast.report.figures.base import (
    COLORS,
    GREY,
    Figure,
    FigureOptions,
    full_text,
    interval_bars,
    interval_ends,
    rows_layout,
    safe_text,
    scatter,
    six_digits,
    transparent,
    unique_names,
)
from abreast.report.figures.group_labels import short_label
from abreast.report.formatting import (
    format_difference,
    format_difference_ends,
    format_difference_interval,
    format_number,
    metric_title,
    verdict_label,
)
from abreast.report.groups import Analysis, Group, Task
from abreast.statistics.comparison import Comparison, Verdict

MOST_GROUPS = 40
# Verdict, colour and marker.
MARKS: tuple[tuple[Verdict, str, str], ...] = (
    ("better", COLORS[2], "triangle-up"),
    ("equivalent", COLORS[0], "square"),
    ("not significantly different", COLORS[0], "circle"),
    ("inconclusive", COLORS[0], "circle-open"),
    ("worse", COLORS[1], "diamond"),
)
Row = tuple[Group, Comparison, str]


def differences(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the figure with the difference of every group from the best one."""
    compared = [
        (group, group.comparison)
        for group in task.groups
        if group.comparison and group.comparison.difference is not None
    ][:MOST_GROUPS]
    winner = task.winner
    if not compared or winner is None:
        return None
    names = unique_names([safe_text(short_label(group, analysis), 48) for group, _ in compared])
    rows = [(group, comparison, name) for (group, comparison), name in zip(compared, names, strict=True)]
    metric = metric_title(analysis.metric)
    caption = (
        f"Each group's {metric} minus that of the best group, {short_label(winner, analysis)}. The bars are "
        "95% intervals that hold for all differences together: a bar that does not reach 0 is a significant "
        "difference."
    )
    if analysis.margin is not None:
        caption += f" The band is the margin, {analysis.margin:g}: a bar inside it is an equivalent group."
    title = f"difference in {full_text(metric)} from the best"
    frame = rows_layout(title, names, shapes=_shapes(analysis.margin))
    return Figure(
        "differences",
        "Differences from the best",
        caption,
        {(): {"data": _traces(rows), "layout": frame}},
        headers=(
            "group",
            "difference",
            "95% interval",
            "verdict",
            "smallest detectable difference",
            f"{task.splits.unit}s needed",
        ),
        rows=[
            (
                short_label(group, analysis),
                format_difference(comparison.difference),
                format_difference_ends(comparison),
                verdict_label(group),
                format_number(comparison.smallest_difference),
                comparison.seeds_needed,
            )
            for group, comparison, _ in rows
        ],
    )


def _traces(rows: Sequence[Row]) -> list[Json]:
    traces = []
    for verdict, color, marker in MARKS:
        marked = [row for row in rows if row[0].verdict == verdict]
        if not marked:
            continue
        points = [interval_ends(comparison.difference, comparison) for _, comparison, _ in marked]
        traces.append(
            scatter(
                "markers",
                name=verdict_label(marked[0][0]),
                x=[six_digits(difference) for _, difference, _ in points],
                y=[name for _, _, name in marked],
                error_x=interval_bars(points, thickness=2, width=5, color=color),
                marker={"color": color, "size": 10, "symbol": marker, "line": {"width": 2}},
                customdata=[
                    [full_text(group.label), full_text(format_difference_interval(comparison))]
                    for group, comparison, _ in marked
                ],
                hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
            )
        )
    return traces


def _shapes(margin: float | None) -> list[Json]:
    """The line of no difference, and the band of the differences that do not matter."""
    line: Json = {"type": "line", "x0": 0, "x1": 0, "line": {"color": GREY, "width": 1.5, "dash": "dot"}}
    shapes = [line]
    if margin is not None:
        band: Json = {"type": "rect", "x0": -margin, "x1": margin, "line": {"width": 0}, "layer": "below"}
        shapes.append({**band, "fillcolor": transparent(COLORS[2], 0.15)})
    return [{**shape, "xref": "x", "yref": "paper", "y0": 0, "y1": 1} for shape in shapes]
