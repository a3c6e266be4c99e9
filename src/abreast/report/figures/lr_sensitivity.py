"""The final metric by learning rate."""

from __future__ import annotations

import math

from abreast.config.types import Json
from abreast.report.figures.base import (
    Figure,
    FigureOptions,
    interval_bars,
    interval_ends,
    layout,
    line_style,
    marker_symbol,
    safe_text,
    scatter,
    six_digits,
    unique_names,
)
from abreast.report.formatting import format_mean, metric_title
from abreast.report.groups import Analysis, Group, Task
from abreast.report.settings import format_setting

KEY = "optim.lr"
MOST_LINES = 10
MOST_TICKS = 10
EMPTY = 0.06  # share of the axis that is left empty at both ends


def lr_sensitivity(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the figure with a line for each combination of the other settings, the best ones first."""
    lines = {name: groups for name, groups in _lines(task, analysis).items() if len(groups) > 1}
    if not lines:
        return None
    shown = dict(list(lines.items())[:MOST_LINES])  # lines are in the order of the groups, the winner first
    names = unique_names([safe_text(name) for name in shown])
    data = []
    rows = []
    for index, (name, groups) in enumerate(zip(names, shown.values(), strict=True)):
        data.append(_trace(groups, name, index))
        rows += [
            (
                name,
                format_setting(group.settings[KEY]),
                format_mean(group.summary),
                group.summary.n,
                group.count("failed"),
            )
            for group in groups
        ]
    caption = (
        f"Mean {metric_title(analysis.metric)} over {task.splits.unit}s with its 95% confidence interval. A "
        "learning rate at which all runs failed has no point."
    )
    if len(lines) > len(shown):
        caption += f" {len(shown)} of {len(lines)} lines are shown."
    frame = layout(
        "learning rate",
        metric_title(analysis.metric),
        height=440,
        xaxis=_axis([group for groups in shown.values() for group in groups]),
        showlegend=True,
    )
    return Figure(
        "lr-sensitivity",
        "Sensitivity to the learning rate",
        caption,
        {(): {"data": data, "layout": frame}},
        headers=("line", "learning rate", metric_title(analysis.metric), "n", "failed"),
        rows=rows,
    )


def _axis(groups: list[Group]) -> Json:
    """A logarithmic axis from the least to the greatest learning rate, with ticks at the rates themselves."""
    labels = {float(str(group.settings[KEY])): format_setting(group.settings[KEY]) for group in groups}
    rates = sorted(labels)
    low, high = math.log10(rates[0]), math.log10(rates[-1])
    empty = EMPTY * (high - low) or EMPTY
    axis: Json = {"type": "log", "range": [six_digits(low - empty), six_digits(high + empty)]}
    if len(rates) > MOST_TICKS:
        return {**axis, "exponentformat": "power"}
    return {**axis, "tickmode": "array", "tickvals": rates, "ticktext": [labels[rate] for rate in rates]}


def _lines(task: Task, analysis: Analysis) -> dict[str, list[Group]]:
    """Groups by their other settings, each list in the order of the learning rate."""
    others = [key for key in analysis.keys if key != KEY]
    lines: dict[str, list[tuple[float, Group]]] = {}
    for group in task.groups:
        rate = group.settings.get(KEY)
        if isinstance(rate, (int, float)) and rate > 0:
            name = ", ".join(format_setting(group.settings[key]) for key in others) or "all"
            lines.setdefault(name, []).append((float(rate), group))
    return {
        name: [group for _, group in sorted(points, key=lambda point: point[0])]
        for name, points in lines.items()
    }


def _trace(groups: list[Group], name: str, index: int) -> Json:
    with_values = [group for group in groups if group.summary.mean is not None]
    style = line_style(index)
    return scatter(
        "lines+markers",
        name=name,
        x=[group.settings[KEY] for group in with_values],
        y=[group.summary.mean for group in with_values],
        error_y=interval_bars(
            (interval_ends(group.summary.mean, group.summary) for group in with_values),
            thickness=1,
            width=3,
            color=style["color"],
        ),
        line=style,
        marker={"symbol": marker_symbol(index), "size": 7},
        customdata=[
            [format_mean(group.summary), group.summary.n, group.count("failed")] for group in with_values
        ],
        hovertemplate="lr %{x}: %{customdata[0]}, n = %{customdata[1]}, "
        "%{customdata[2]} failed<extra>" + name + "</extra>",
    )
