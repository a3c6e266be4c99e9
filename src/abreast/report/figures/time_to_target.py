"""Time and epochs until a run first reaches a level of its validation metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from abreast.report import text as words
from abreast.report.collect import Run
from abreast.report.figures.base import GREY, Figure, Json, brief, line, plain, rows_layout, safe
from abreast.report.figures.ranking import distinct, short
from abreast.report.groups import Answer, Group, Task

FAMILIAR = {"accuracy": 0.005, "r2": 0.01}  # steps of a level that is chosen


@dataclass(frozen=True)
class Reached:
    """When a run first reached the level: None where it never did."""

    run: Run
    epochs: float | None
    seconds: float | None


@dataclass(frozen=True)
class Target:
    """A level of a validation metric, who said so, and each group's runs."""

    metric: str
    level: float
    given: bool
    reached: dict[str, list[Reached]]

    def median(self, group: Group, what: str) -> float | None:
        """The median over the group's seeds, a run that never got there counting as later than all others."""
        values = [getattr(each, what) for each in self.reached.get(group.label, [])]
        if not values:
            return None
        middle = median(math.inf if value is None else value for value in values)
        return middle if math.isfinite(middle) else None

    def share(self, group: Group) -> str:
        """How many of the group's runs got there."""
        runs = self.reached[group.label]
        return f"{sum(each.epochs is not None for each in runs)} of {len(runs)}"


def curve_metric(found: Answer) -> str | None:
    """The column of metrics.csv that runs are followed by: the answer's, on validation rows if there are."""
    name = found.metric.partition("/")[2].partition("/")[0]
    for column in (f"val/{name}", f"train/{name}", "val/accuracy", "val/loss", "train/loss"):
        if any(column in run.curve for group in found.groups for run in group.runs):
            return column
    return None


def find_target(task: Task, found: Answer, level: float | None = None) -> Target | None:
    """When each run reached the level; by default the median over groups of what their median seed reaches.

    So about half of the groups get there. None where no run has a curve.
    """
    column = curve_metric(found)
    if column is None:
        return None
    higher = column.split("/")[1] in ("accuracy", "r2")
    counted = {group.label: _counted(group, column) for group in task.groups}
    peaks = [median(_extreme(run.curve[column], higher) for run in runs) for runs in counted.values() if runs]
    if not peaks:
        return None
    given = level is not None
    if level is None:
        level = _familiar(median(peaks), column, higher)
    reached = {label: [_reach(run, column, level, higher) for run in runs] for label, runs in counted.items()}
    return Target(column, level, given, reached)


def _counted(group: Group, column: str) -> list[Run]:
    """A failed run that has a curve counts too: as one that never gets there, if it did not before."""
    return [
        run
        for run in group.runs
        if run.status in ("finished", "failed") and any(map(math.isfinite, run.curve.get(column, [])))
    ]


def _reach(run: Run, column: str, level: float, higher: bool) -> Reached:
    for place, value in enumerate(run.curve[column]):
        if (value >= level) if higher else (value <= level):  # false for nan
            epochs, times = run.curve.get("epoch", []), run.curve.get("seconds", [])
            return Reached(run, epochs[place] if epochs else place + 1.0, times[place] if times else None)
    return Reached(run, None, None)


def _extreme(values: Sequence[float], higher: bool) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) if higher else min(finite)


def _familiar(level: float, column: str, higher: bool) -> float:
    """A round level that is no harder than the given one."""
    step = FAMILIAR.get(column.split("/")[1])
    if step is None:  # a loss: two digits that count
        step = 10.0 ** (math.floor(math.log10(abs(level))) - 1) if level else 1.0
    count = level / step
    rounded = math.floor(count + 1e-9) if higher else math.ceil(count - 1e-9)
    return float(f"{rounded * step:.10g}")


def to_target(task: Task, found: Answer, target: Target, suffix: str = "") -> Figure | None:
    """Epochs and seconds until the target, a mark a run and the median of each group."""
    groups = [group for group in task.groups if target.reached.get(group.label)]
    if not groups:
        return None

    def order(group: Group) -> tuple[float, float]:
        runs = target.reached[group.label]
        share = sum(each.epochs is not None for each in runs) / len(runs)
        return (target.median(group, "epochs") or math.inf, -share)

    groups = sorted(groups, key=order)[:30]
    names = distinct([safe(short(group, found), 48) for group in groups])
    variants: dict[tuple[str, ...], Json] = {}
    for by, what in (("epochs", "epochs"), ("time", "seconds")):
        dots: list[tuple[float, str]] = []
        middles: list[tuple[float | None, str, str]] = []
        for group, name in zip(groups, names, strict=True):
            runs = target.reached[group.label]
            dots += [(value, name) for each in runs if (value := getattr(each, what)) is not None]
            middles.append((target.median(group, what), name, f"{target.share(group)} runs got there"))
        data: list[Json] = [
            {
                "type": "scatter",
                "mode": "markers",
                "name": "a run",
                "x": [brief(value) for value, _ in dots],
                "y": [name for _, name in dots],
                "marker": {"color": GREY, "size": 7, "symbol": "circle-open"},
                "hovertemplate": "%{x:.4g} " + what + "<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "median over seeds",
                "x": [None if value is None else brief(value) for value, _, _ in middles],
                "y": [name for _, name, _ in middles],
                "marker": {"color": line(0)["color"], "size": 11, "symbol": "diamond"},
                "customdata": [told for _, _, told in middles],
                "hovertemplate": "median %{x:.4g} " + what + ", %{customdata}<extra></extra>",
            },
        ]
        shares = [(name, target.share(each)) for each, name in zip(groups, names, strict=True)]
        never = [share for share, (middle, _, _) in zip(shares, middles, strict=True) if middle is None]
        if never:
            data.append(
                {
                    "type": "scatter",
                    "mode": "text",
                    "x": [0] * len(never),
                    "y": [name for name, _ in never],
                    "text": [f" {share} got there" for _, share in never],
                    "textposition": "middle right",
                    "textfont": {"size": 11, "color": GREY},
                    "hoverinfo": "skip",
                    "showlegend": False,
                }
            )
        title = f"{what} until {plain(words.metric_name(target.metric))} {target.level:g}"
        frame = rows_layout(title, names, xaxis={"rangemode": "tozero"})
        variants[(by,)] = {"data": data, "layout": frame}
    said = (
        "as asked for"
        if target.given
        else "what the median group's median seed reaches, rounded; --target sets another"
    )
    return Figure(
        f"target{suffix}",
        "Epochs and time to a target",
        f"Target: {words.metric_name(target.metric)} {target.level:g} ({said}). A run that never gets "
        "there counts as later than every other in the median; where half or more do not get there, there is "
        "none.",
        variants,
        (("Along", ["epochs", "time"]),),
        ("group", "reached by", "median epochs", "median seconds"),
        [
            (
                short(group, found),
                target.share(group),
                _median(target.median(group, "epochs")),
                _median(target.median(group, "seconds")),
            )
            for group in groups
        ],
    )


def _median(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.4g}"
