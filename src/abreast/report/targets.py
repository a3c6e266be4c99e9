"""When each run first reached a level of its validation metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from abreast.metrics.registry import direction, lookup
from abreast.report.groups import Analysis, Group, Task
from abreast.report.run import Run

Unit = Literal["epochs", "seconds"]


@dataclass(frozen=True)
class Reached:
    """When a run first reached the level; None where it never did or the time is not known.

    Attributes:
        run: The run.
        epochs: Epochs until then.
        seconds: Training time until then.
    """

    run: Run
    epochs: float | None
    seconds: float | None

    def after(self, unit: Unit) -> float | None:
        """Return epochs or seconds."""
        return self.epochs if unit == "epochs" else self.seconds


@dataclass(frozen=True)
class Target:
    """A level of a metric, and when the runs reached it.

    Attributes:
        metric: The column of metrics.csv.
        level: The level that counts as reached.
        is_given: Whether the user chose the level.
        reached: The runs of each group, by the group's label.
    """

    metric: str
    level: float
    is_given: bool
    reached: dict[str, list[Reached]]

    def median(self, group: Group, unit: Unit) -> float | None:
        """Return the median over a group's runs; a run that never reached the level counts as infinite.

        None if the group has no runs or the median is infinite.
        """
        values = [run.after(unit) for run in self.reached.get(group.label, [])]
        if not values:
            return None
        middle = median(math.inf if value is None else value for value in values)
        return middle if math.isfinite(middle) else None

    def count(self, group: Group) -> tuple[int, int]:
        """Return how many of a group's runs reached the level, and how many there are."""
        runs = self.reached[group.label]
        return sum(run.epochs is not None for run in runs), len(runs)


def curve_metric(analysis: Analysis) -> str | None:
    """Choose the column of metrics.csv that runs are followed by.

    Returns:
        The validation metric (else the training metric) that groups are compared by; the accuracy or the loss
        if it is not recorded every epoch. None if no run has a curve.
    """
    name = analysis.metric.partition("/")[2].partition("/")[0]
    for column in (f"val/{name}", f"train/{name}", "val/accuracy", "val/loss", "train/loss"):
        if any(column in run.curve for group in analysis.groups for run in group.runs):
            return column
    return None


def find_target(task: Task, analysis: Analysis, level: float | None = None) -> Target | None:
    """Find when each run reached a level.

    Args:
        task: The groups.
        analysis: The analysis that they are from.
        level: The level; by default the median over groups of what their median seed reaches, rounded, so
            that about half of the groups reach it.

    Returns:
        The target; None if no run has a curve.
    """
    column = curve_metric(analysis)
    if column is None:
        return None
    higher = direction(column) == "max"
    runs_of = {group.label: _runs_with_curve(group, column) for group in task.groups}
    peaks = [median(_best(run.curve[column], higher) for run in runs) for runs in runs_of.values() if runs]
    if not peaks:
        return None
    is_given = level is not None
    if level is None:
        level = _rounded(median(peaks), column, higher)
    reached = {
        label: [_reached(run, column, level, higher) for run in runs] for label, runs in runs_of.items()
    }
    return Target(column, level, is_given, reached)


def _runs_with_curve(group: Group, column: str) -> list[Run]:
    """Failed runs count too: unless they reached the level before they failed, they never will."""
    return [
        run
        for run in group.runs
        if run.status in ("finished", "failed") and any(map(math.isfinite, run.curve.get(column, [])))
    ]


def _reached(run: Run, column: str, level: float, higher: bool) -> Reached:
    for index, value in enumerate(run.curve[column]):
        if (value >= level) if higher else (value <= level):  # False for nan
            epochs, times = run.curve.get("epoch", []), run.curve.get("seconds", [])
            return Reached(run, epochs[index] if epochs else index + 1.0, times[index] if times else None)
    return Reached(run, None, None)


def _best(values: Sequence[float], higher: bool) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) if higher else min(finite)


def _rounded(level: float, column: str, higher: bool) -> float:
    """A round level that is as easy to reach as the given one, or easier."""
    metric = lookup(column)
    step = metric.level_step if metric else None
    if step is None:  # no natural scale: two significant digits
        step = 10.0 ** (math.floor(math.log10(abs(level))) - 1) if level else 1.0
    count = level / step
    rounded = math.floor(count + 1e-9) if higher else math.ceil(count - 1e-9)
    return float(f"{rounded * step:.10g}")
