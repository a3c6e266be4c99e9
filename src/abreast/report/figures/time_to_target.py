"""Epochs and time until the runs reach a level of their validation metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abreast.config.types import Json
from abreast.report.figures.base import (
    GREY,
    Figure,
    FigureOptions,
    full_text,
    line_style,
    notes,
    rows_layout,
    safe_text,
    scatter,
    six_digits,
    unique_names,
)
from abreast.report.figures.group_labels import short_label
from abreast.report.formatting import metric_title
from abreast.report.groups import Analysis, Group, Task
from abreast.report.targets import Target, Unit, find_target

MOST_GROUPS = 30
AXES: dict[str, Unit] = {"epochs": "epochs", "time": "seconds"}


def time_to_target(task: Task, analysis: Analysis, options: FigureOptions) -> Figure | None:
    """Make the figure with a mark for each run and the median of each group, the fastest group first."""
    target = find_target(task, analysis, options.target)
    if target is None:
        return None
    groups = [group for group in task.groups if target.reached.get(group.label)]
    if not groups:
        return None

    def order(group: Group) -> tuple[float, float]:
        reached, runs = target.count(group)
        return (target.median(group, "epochs") or math.inf, -reached / runs)

    groups = sorted(groups, key=order)[:MOST_GROUPS]
    names = unique_names([safe_text(short_label(group, analysis), 48) for group in groups])
    origin = (
        "given by --target"
        if target.is_given
        else "what the median run of the median group reaches, rounded; set another with --target"
    )
    return Figure(
        "time-to-target",
        "Epochs and time to a target",
        f"Target: {metric_title(target.metric)} {target.level:g} ({origin}). A run that never reaches it "
        "counts as slower than all others in the median; a group of which half or more never reach it has no "
        "median.",
        {
            (choice,): {
                "data": _traces(groups, names, target, unit),
                "layout": rows_layout(
                    f"{unit} until {full_text(metric_title(target.metric))} {target.level:g}",
                    names,
                    xaxis={"rangemode": "tozero"},
                ),
            }
            for choice, unit in AXES.items()
        },
        (("Measure", list(AXES)),),
        ("group", "runs that reached it", "median epochs", "median seconds"),
        [
            (
                short_label(group, analysis),
                _count(target, group),
                _median(target.median(group, "epochs")),
                _median(target.median(group, "seconds")),
            )
            for group in groups
        ],
    )


def _traces(groups: Sequence[Group], names: Sequence[str], target: Target, unit: Unit) -> list[Json]:
    points = [
        (value, name)
        for group, name in zip(groups, names, strict=True)
        for run in target.reached[group.label]
        if (value := run.after(unit)) is not None
    ]
    medians = [target.median(group, unit) for group in groups]
    counts = [_count(target, group) for group in groups]
    traces: list[Json] = [
        scatter(
            "markers",
            name="a run",
            x=[six_digits(value) for value, _ in points],
            y=[name for _, name in points],
            marker={"color": GREY, "size": 7, "symbol": "circle-open"},
            cliponaxis=False,
            hovertemplate="%{x:.4g} " + unit + "<extra></extra>",
        ),
        scatter(
            "markers",
            name="median over runs",
            x=[None if value is None else six_digits(value) for value in medians],
            y=list(names),
            marker={"color": line_style(0)["color"], "size": 11, "symbol": "diamond"},
            cliponaxis=False,
            customdata=[f"reached by {count} runs" for count in counts],
            hovertemplate="median %{x:.4g} " + unit + ", %{customdata}<extra></extra>",
        ),
    ]
    without = {
        name: f" reached by {count}"
        for name, count, value in zip(names, counts, medians, strict=True)
        if value is None
    }
    return [*traces, *([notes(0, without, GREY)] if without else [])]


def _count(target: Target, group: Group) -> str:
    reached, runs = target.count(group)
    return f"{reached} of {runs}"


def _median(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.4g}"
