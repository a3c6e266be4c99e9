"""The groups in order of their final metric: every run as a dot, and the confidence interval of the mean."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.config.types import Json
from abreast.report.figures.base import (
    COLORS,
    GREY,
    Figure,
    FigureOptions,
    first_choices,
    interval_bars,
    interval_ends,
    notes,
    rows_layout,
    safe_text,
    scatter,
    six_digits,
    transparent,
    unique_names,
)
from abreast.report.figures.group_labels import hover_lines, short_label
from abreast.report.formatting import (
    format_collapsed,
    format_interval,
    format_number,
    metric_title,
    verdict_label,
)
from abreast.report.groups import Analysis, Group, Task
from abreast.report.run import repeat_label
from abreast.statistics.comparison import NOT_WORSE, Verdict

FEW_GROUPS = 15
MOST_GROUPS = 40
# Legend entry, verdicts, colour, marker and its size.
MARKS: tuple[tuple[str, tuple[Verdict, ...], str, str, int], ...] = (
    ("best", ("winner",), COLORS[0], "star", 15),
    ("not significantly worse", NOT_WORSE[1:], COLORS[0], "circle", 11),
    ("significantly worse", ("worse",), GREY, "diamond", 11),
)
EMPTY = 0.06  # share of the axis that is left empty at both ends


def ranking(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the figure with the runs, the mean and the interval of every group, the best at the top."""
    with_runs = [group for group in task.groups if group.values or group.collapsed]
    groups = with_runs[:MOST_GROUPS]
    if sum(bool(group.values) for group in groups) < 2:
        return None
    choices = first_choices(FEW_GROUPS, MOST_GROUPS, len(with_runs))
    metric = metric_title(analysis.metric)
    caption = (
        f"Each dot is the {metric} of a run; the larger mark is the mean of its group, the bar its 95% "
        "confidence interval (none for a single run). Whether two bars overlap does not decide significance: "
        "the differences below do."
    )
    if analysis.selection:
        caption += " The best group was chosen by its validation: another one can have the higher mean here."
    if any(group.collapsed for group in groups):
        caption += " Runs that ended at chance are counted at the left edge; no mean includes them."
    if len(with_runs) > len(groups):
        caption += f" {len(with_runs) - len(groups)} more groups are in the table."
    return Figure(
        "ranking",
        "Groups in order",
        caption,
        {(choice,): _in_order(groups[:count], analysis) for choice, count in choices.items()},
        (("Show", list(choices)),),
        ("group", metric, "95% interval", "n", "compared with the best", "runs"),
        [
            (
                short_label(group, analysis),
                format_number(group.summary.mean),
                format_interval(group.summary),
                group.summary.n,
                verdict_label(group),
                ", ".join(map(format_number, group.values.values())),
            )
            for group in groups
        ],
    )


def _in_order(groups: Sequence[Group], analysis: Analysis) -> Json:
    names = unique_names([safe_text(short_label(group, analysis), 48) for group in groups])
    rows = list(zip(groups, names, strict=True))
    data = [_means(rows, *mark) for mark in MARKS]
    if analysis.selection:
        data[0]["name"] += " by validation"
    low, high = _range(groups)
    dots = [
        (six_digits(value), name, repeat_label(repeat))
        for group, name in rows
        for repeat, value in group.values.items()
    ]
    data.append(
        scatter(
            "markers",
            name="a run",
            x=[x for x, _, _ in dots],
            y=[y for _, y, _ in dots],
            customdata=[label for _, _, label in dots],
            marker={
                "color": COLORS[3],
                "size": 7,
                "opacity": 0.9,
                "line": {"color": "#FFFFFF", "width": 0.8},
            },
            hovertemplate="%{customdata}: %{x:.4f}<extra></extra>",
        )
    )
    collapsed = {name: f"◂ {format_collapsed(group)} collapsed" for group, name in rows if group.collapsed}
    data.append(notes(low, collapsed, COLORS[1]))
    frame = rows_layout(metric_title(analysis.metric), names, xaxis={"range": [low, high]})
    return {"data": [trace for trace in data if trace["x"]], "layout": frame}


def _means(
    rows: Sequence[tuple[Group, str]],
    title: str,
    verdicts: Sequence[Verdict],
    color: str,
    marker: str,
    size: int,
) -> Json:
    """The means and intervals of the groups with some verdicts."""
    marked = [(group, y) for group, y in rows if group.verdict in verdicts and group.values]
    ends = [interval_ends(group.summary.mean, group.summary) for group, _ in marked]
    return scatter(
        "markers",
        name=title,
        x=[six_digits(mean) for _, mean, _ in ends],
        y=[y for _, y in marked],
        error_x=interval_bars(ends, thickness=8, width=0, color=transparent(color, 0.3)),
        marker={"color": color, "size": size, "symbol": marker},
        customdata=[hover_lines(group) for group, _ in marked],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )


def _range(groups: Sequence[Group]) -> tuple[float, float]:
    """The ends of the axis: all runs that did better than guessing, and the intervals of the means."""
    values = [value for group in groups for value in group.values.values()]
    ends = [end for group in groups for end in (group.summary.low, group.summary.high) if end is not None]
    low, high = min([*values, *ends]), max([*values, *ends])
    empty = EMPTY * (high - low) or 0.01 * (abs(high) or 1.0)
    return six_digits(low - empty), six_digits(high + empty)
