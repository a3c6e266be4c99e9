"""Figures over time: learning curves, with a band over seeds."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

from abreast.report import text as words
from abreast.report.cells import representatives
from abreast.report.figures.base import Figure, Json, brief, faint, layout, line, safe, symbol
from abreast.report.figures.ranking import distinct, short
from abreast.report.figures.time_to_target import curve_metric
from abreast.report.groups import Answer, Group, Task

FEW_LINES, MOST_LINES = 4, 12
MOST_POINTS = 200
ALONG = {"epochs": ("epoch", "epoch"), "time": ("seconds", "seconds of training")}
STAGES = {"validation": "val", "training": "train"}


def learning_curves(task: Task, found: Answer, suffix: str = "") -> Figure | None:
    """Mean and range over seeds, epoch by epoch, of the groups that come first."""
    able = [group for group in representatives(task, found) if _runs(group)]
    groups = able[:MOST_LINES]
    columns = {column for group in groups for run in _runs(group) for column in run.curve}
    first = curve_metric(found)
    if not groups or first is None:
        return None
    measures = [
        name for name in ("accuracy", "r2", "mae", "loss") if {f"val/{name}", f"train/{name}"} & columns
    ]
    measures.sort(key=lambda name: name != first.split("/")[1])
    stages = [
        name for name, stage in STAGES.items() if any(f"{stage}/{each}" in columns for each in measures)
    ]
    along = list(ALONG) if "seconds" in columns else ["epochs"]
    names = distinct([safe(short(group, found)) for group in groups])
    shown = {f"first {count}": count for count in (FEW_LINES, len(groups)) if count < len(groups)}
    shown["all" if len(able) == len(groups) else f"first {len(groups)}"] = len(groups)
    variants: dict[tuple[str, ...], Json] = {}
    for measure, stage, by in product(measures, stages, along):
        column, (key, axis) = f"{STAGES[stage]}/{measure}", ALONG[by]
        bands = [_band(each, names[place], column, key, place) for place, each in enumerate(groups)]
        frame = layout(axis, words.metric_name(column), height=460, showlegend=True, hovermode="closest")
        for title, count in shown.items():
            data = [trace for band in bands[:count] for trace in band]
            variants[(words.NAMES[measure], stage, by, title)] = {"data": data, "layout": frame}
    caption = (
        "Lines are means over seeds, bands reach from the lowest to the highest seed; failed runs are left "
        "out."
    )
    if "time" in along:
        caption += " The time of a run that was trained in a stack is its share of the stack's."
    if len(able) < len(task.groups):
        caption += " Each pair of the figure above is shown by the group that validated best."
    return Figure(
        f"curves{suffix}",
        "Learning curves",
        caption,
        variants,
        (
            ("Measure", [words.NAMES[each] for each in measures]),
            ("Rows", stages),
            ("Along", along),
            ("Show", list(shown)),
        ),
        ("group", "runs", f"best {words.metric_name(first)}, mean over seeds", "epochs"),
        [
            (
                short(group, found),
                len(_runs(group)),
                words.number(_mean_best(group, first)),
                max(len(run.curve[first]) for run in _runs(group) if first in run.curve)
                if any(first in run.curve for run in _runs(group))
                else 0,
            )
            for group in groups
        ],
    )


def _runs(group: Group) -> list[Any]:
    return [run for run in group.runs if run.status in ("finished", "running", "interrupted") and run.curve]


def _mean_best(group: Group, column: str) -> float | None:
    higher = column.split("/")[1] in ("accuracy", "r2")
    curves = [[value for value in run.curve.get(column, []) if math.isfinite(value)] for run in _runs(group)]
    peaks = [(max if higher else min)(curve) for curve in curves if curve]
    return sum(peaks) / len(peaks) if peaks else None


def _band(group: Group, name: str, column: str, key: str, place: int) -> list[Json]:
    """A group's line and band as plotly traces; none where it has no such column."""
    points: list[tuple[float, float, float, float, int]] = []
    curves = [run.curve for run in _runs(group) if column in run.curve and key in run.curve]
    for at in range(max((len(curve[column]) for curve in curves), default=0)):
        there = [
            (curve[key][at], curve[column][at])
            for curve in curves
            if at < len(curve[column]) and math.isfinite(curve[column][at])
        ]
        if there:
            values = [value for _, value in there]
            x = sum(each for each, _ in there) / len(there)
            points.append((x, sum(values) / len(values), min(values), max(values), len(values)))
    if not points:
        return []
    step = math.ceil(len(points) / MOST_POINTS)
    points = [*points[:-1][::step], points[-1]] if step > 1 else points
    xs, means, lows, highs, counts = (list(map(brief, part)) for part in zip(*points, strict=True))
    style = line(place)
    traces: list[Json] = []
    if max(counts) > 1:
        traces.append(
            {
                "type": "scatter",
                "x": [*xs, *xs[::-1]],
                "y": [*highs, *lows[::-1]],
                "fill": "toself",
                "fillcolor": faint(style["color"]),
                "line": {"width": 0},
                "mode": "lines",
                "hoverinfo": "skip",
                "showlegend": False,
                "legendgroup": name,
            }
        )
    traces.append(
        {
            "type": "scatter",
            "mode": "lines+markers" if len(xs) <= 40 else "lines",
            "name": name,
            "legendgroup": name,
            "x": xs,
            "y": means,
            "line": style,
            "marker": {"symbol": symbol(place), "size": 6},
            "customdata": [list(each) for each in zip(lows, highs, counts, strict=True)],
            "hovertemplate": "%{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g}, "
            "%{customdata[2]} seeds)<extra>" + name + "</extra>",
        }
    )
    return traces
