"""Choosing: every trial's validation score, the best setting of a cell, and what speaks against it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abreast.errors import RunError
from abreast.runs.directory import RunDirectory
from abreast.study import space
from abreast.study.cells import Cell
from abreast.study.space import Setting


@dataclass(frozen=True)
class Outcome:
    """One run's score, None where there is none, and the reason why; `metrics` are all that it has."""

    directory: Path
    seed: int
    value: float | None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A setting of a cell and the outcomes of its tuning runs, one a seed."""

    setting: Setting
    outcomes: tuple[Outcome, ...]

    @property
    def value(self) -> float | None:
        """The mean score over the seeds; None where a run failed, which is worse than any score."""
        values = [each.value for each in self.outcomes if each.value is not None]
        return math.fsum(values) / len(values) if len(values) == len(self.outcomes) else None

    def mean(self, metric: str) -> float | None:
        """The mean of another metric over the seeds; None where a run failed."""
        values = [each.metrics[metric] for each in self.outcomes if metric in each.metrics]
        return math.fsum(values) / len(values) if len(values) == len(self.outcomes) else None


@dataclass(frozen=True)
class Choice:
    """What tuning came to in a cell: the trials, the best one's place (None: all failed), and warnings.

    mode: whether the highest (`max`) or the lowest (`min`) score is the best.
    """

    cell: Cell
    trials: tuple[Trial, ...]
    metric: str
    mode: str
    chosen: int | None
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> Trial | None:
        """The chosen trial."""
        return None if self.chosen is None else self.trials[self.chosen]


def outcome(directory: Path, seed: int, metric: str) -> Outcome:
    """How a run ended; one that diverged, failed or was cut off has no score."""
    run = RunDirectory(directory)
    try:
        status = run.read_status()
        if status.get("status") != "finished":
            return Outcome(directory, seed, None, str(status.get("reason", status.get("status"))))
        metrics = run.read_result()["metrics"]
    except RunError as error:
        reason = str(error).replace(f"{directory}", "the run").partition(";")[0]
        return Outcome(directory, seed, None, reason)
    value = metrics.get(metric)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Outcome(directory, seed, None, f"{metric} is {value}")
    return Outcome(directory, seed, float(value), "", metrics)


def choose(cell: Cell, trials: Sequence[Trial], metric: str, mode: str) -> Choice:
    """Take the trial of the best mean validation score; of equal ones the first in declared order."""
    sign = 1.0 if mode == "max" else -1.0
    ended = [(at, sign * each.value) for at, each in enumerate(trials) if each.value is not None]
    if not ended:
        reason = next((each.reason for trial in trials for each in trial.outcomes if each.reason), "no runs")
        warning = f"{cell.name}: all {len(trials)} trials failed, so it is not repeated (the first: {reason})"
        return Choice(cell, tuple(trials), metric, mode, None, (warning,))
    at, _ = max(ended, key=lambda each: (each[1], -each[0]))
    warnings = [f"{cell.name}: {each}" for each in space.edges(cell.space, trials[at].setting)]
    warnings += _failures(cell, trials)
    ties = [other for other, value in ended if value == dict(ended)[at]]
    if len(ties) > 1:
        warnings.append(
            f"{cell.name}: {len(ties)} settings share the best {metric}; the first of them is taken "
            f"({shown(trials[at].setting)})"
        )
    return Choice(cell, tuple(trials), metric, mode, at, tuple(warnings))


def _failures(cell: Cell, trials: Sequence[Trial]) -> Iterator[str]:
    failed = [each for each in trials if each.value is None]
    if failed:
        lost = "; ".join(f"{shown(each.setting)}: {_reason(each)}" for each in failed)
        yield f"{cell.name}: {len(failed)} of {len(trials)} trials failed and count as the worst ({lost})"


def _reason(trial: Trial) -> str:
    return next(each.reason for each in trial.outcomes if each.value is None)


def shown(setting: Setting) -> str:
    """A setting in words."""
    return ", ".join(f"{key}={value}" for key, value in setting.items())
