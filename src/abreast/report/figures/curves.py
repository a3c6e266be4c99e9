"""Learning curves: the mean over a group's runs, with a band from the lowest to the highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from abreast.config.types import Json
from abreast.metrics.registry import by_priority, direction, title
from abreast.report.figures.base import (
    Figure,
    FigureOptions,
    first_choices,
    layout,
    line_style,
    marker_symbol,
    safe_text,
    scatter,
    six_digits,
    transparent,
    unique_names,
)
from abreast.report.figures.group_labels import short_label
from abreast.report.formatting import format_number, metric_title
from abreast.report.grid import representatives
from abreast.report.groups import Analysis, Group, Task
from abreast.report.run import Run
from abreast.report.targets import curve_metric

FEW_LINES, MOST_LINES = 4, 12
MOST_POINTS = 200  # of a line
MOST_MARKERS = 40
MOST_TICKS = 10  # epochs that have a tick each
X_AXES = {"epochs": ("epoch", "epoch"), "time": ("seconds", "seconds of training")}  # column and title
STAGES = {"validation": "val", "training": "train"}


def learning_curves(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the figure of the first groups, or of the best group of each cell where there is a grid."""
    with_curves = [group for group in representatives(task, analysis) if _runs(group)]
    groups = with_curves[:MOST_LINES]
    first = curve_metric(analysis)
    if not groups or first is None:
        return None
    columns = {column for group in groups for run in _runs(group) for column in run.curve}
    metrics = [
        metric.name
        for metric in by_priority()
        if not metric.test_only and {f"val/{metric.name}", f"train/{metric.name}"} & columns
    ]
    metrics.sort(key=lambda name: name != first.split("/")[1])
    stages = [
        name for name, stage in STAGES.items() if any(f"{stage}/{metric}" in columns for metric in metrics)
    ]
    x_axes = list(X_AXES) if "seconds" in columns else ["epochs"]
    names = unique_names([safe_text(short_label(group, analysis)) for group in groups])
    counts = first_choices(FEW_LINES, MOST_LINES, len(with_curves))
    variants: dict[tuple[str, ...], Json] = {}
    for metric, stage, x_axis in product(metrics, stages, x_axes):
        column = f"{STAGES[stage]}/{metric}"
        bands = [_band(group, names[i], column, X_AXES[x_axis][0], i) for i, group in enumerate(groups)]
        frame = _layout(groups, column, x_axis)
        for choice, count in counts.items():
            data = [trace for band in bands[:count] for trace in band]
            variants[(title(metric), stage, x_axis, choice)] = {"data": data, "layout": frame}
    caption = (
        "Lines are means over a group's runs, bands reach from the lowest to the highest run; failed runs "
        "are left out."
    )
    if "time" in x_axes:
        caption += " The time of a run that was trained in a stack is its share of the stack's time."
    if len(with_curves) < len(task.groups):
        caption += " Each cell of the heat map is represented by its best group by validation."
    return Figure(
        "curves",
        "Learning curves",
        caption,
        variants,
        (
            ("Metric", [title(metric) for metric in metrics]),
            ("Data", stages),
            ("Horizontal axis", x_axes),
            ("Show", list(counts)),
        ),
        ("group", "runs", f"best {metric_title(first)}, mean over runs", "epochs"),
        [_row(group, analysis, first) for group in groups],
    )


def _layout(groups: Sequence[Group], column: str, x_axis: str) -> Json:
    epochs = max(_epochs(group, column) for group in groups)
    ticks = {"dtick": 1} if x_axis == "epochs" and epochs <= MOST_TICKS else {}  # no half epochs
    return layout(
        X_AXES[x_axis][1],
        metric_title(column),
        height=460,
        showlegend=True,
        hovermode="closest",
        xaxis=ticks,
    )


def _row(group: Group, analysis: Analysis, column: str) -> tuple[object, ...]:
    """The numbers of a group: its runs, the mean of their best values, their epochs."""
    best = format_number(_mean_best(group, column))
    return short_label(group, analysis), len(_runs(group)), best, _epochs(group, column)


def _epochs(group: Group, column: str) -> int:
    """The epochs of the group's longest run that has the column."""
    return max((len(run.curve[column]) for run in _runs(group) if column in run.curve), default=0)


def _runs(group: Group) -> list[Run]:
    return [run for run in group.runs if run.status in ("finished", "running", "interrupted") and run.curve]


def _mean_best(group: Group, column: str) -> float | None:
    """The mean over runs of the best value of each curve."""
    best = max if direction(column) == "max" else min
    curves = [[value for value in run.curve.get(column, []) if math.isfinite(value)] for run in _runs(group)]
    values = [best(curve) for curve in curves if curve]
    return sum(values) / len(values) if values else None


def _band(group: Group, name: str, column: str, x_column: str, index: int) -> list[Json]:
    """A group's line and band as plotly traces; none if its runs lack the column."""
    points = _points(group, column, x_column)
    if not points:
        return []
    step = math.ceil(len(points) / MOST_POINTS)
    points = [*points[:-1][::step], points[-1]] if step > 1 else points
    xs, means, lows, highs, counts = (list(map(six_digits, part)) for part in zip(*points, strict=True))
    style = line_style(index)
    traces: list[Json] = []
    if max(counts) > 1:
        traces.append(
            scatter(
                "lines",
                x=[*xs, *xs[::-1]],
                y=[*highs, *lows[::-1]],
                fill="toself",
                fillcolor=transparent(style["color"]),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
            )
        )
    traces.append(
        scatter(
            "lines+markers" if len(xs) <= MOST_MARKERS else "lines",
            name=name,
            legendgroup=name,
            x=xs,
            y=means,
            line=style,
            marker={"symbol": marker_symbol(index), "size": 6},
            customdata=[list(values) for values in zip(lows, highs, counts, strict=True)],
            hovertemplate="%{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g}, "
            "%{customdata[2]} runs)<extra>" + name + "</extra>",
        )
    )
    return traces


def _points(group: Group, column: str, x_column: str) -> Sequence[tuple[float, float, float, float, int]]:
    """For each epoch: x, mean, lowest and highest value, and the number of runs that have it."""
    points = []
    curves = [run.curve for run in _runs(group) if column in run.curve and x_column in run.curve]
    for epoch in range(max((len(curve[column]) for curve in curves), default=0)):
        values = [
            (curve[x_column][epoch], curve[column][epoch])
            for curve in curves
            if epoch < len(curve[column]) and math.isfinite(curve[column][epoch])
        ]
        if values:
            xs, ys = zip(*values, strict=True)
            points.append((sum(xs) / len(xs), sum(ys) / len(ys), min(ys), max(ys), len(ys)))
    return points
