"""Choosing the best setting of a cell by the validation scores of its trials."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.metrics.registry import Mode
from abreast.runs.chance import at_chance
from abreast.runs.directory import RunDirectory
from abreast.study.cells import Cell
from abreast.study.space import Setting, edge_messages


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        directory: The run's directory.
        seed: The run's seed.
        score: The value of the metric that counts; None if the run has none.
        reason: Why it has none.
        metrics: All final metrics of the run.
        is_collapsed: Whether its tested network did no better than guessing.
        repeat: Which repeat the run is: its seed, with its split where there are several; None in tuning.
        sizes: What its result records of the data: `examples`, `data` and `classes`.
    """

    directory: Path
    seed: int
    score: float | None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    is_collapsed: bool = False
    repeat: Hashable = None
    sizes: Json = field(default_factory=dict)

    def path_in(self, folder: Path) -> str:
        """The run's directory as a stored result names it: relative to the folder that it is in."""
        is_below = self.directory.is_relative_to(folder)
        return (self.directory.relative_to(folder) if is_below else self.directory).as_posix()


@dataclass(frozen=True)
class Trial:
    """A setting of a cell and the outcomes of its tuning runs, one for each seed."""

    setting: Setting
    outcomes: tuple[Outcome, ...]

    @property
    def score(self) -> float | None:
        """The mean score over the seeds; None if a run failed, which is worse than any score."""
        scores = [outcome.score for outcome in self.outcomes if outcome.score is not None]
        return math.fsum(scores) / len(scores) if len(scores) == len(self.outcomes) else None

    def mean(self, metric: str) -> float | None:
        """Return the mean of another metric over the seeds; None if a run does not have it."""
        values = [outcome.metrics[metric] for outcome in self.outcomes if metric in outcome.metrics]
        return math.fsum(values) / len(values) if len(values) == len(self.outcomes) else None


@dataclass(frozen=True)
class Choice:
    """The result of tuning a cell.

    Attributes:
        cell: The cell.
        trials: One for each setting of the cell.
        metric: The validation metric.
        mode: Whether the highest (`max`) or the lowest (`min`) score is best.
        chosen: The index of the best trial; None if all failed.
        warnings: What makes the choice doubtful.
    """

    cell: Cell
    trials: tuple[Trial, ...]
    metric: str
    mode: Mode
    chosen: int | None
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> Trial | None:
        """The chosen trial."""
        return None if self.chosen is None else self.trials[self.chosen]


def read_outcome(directory: Path, seed: int, metric: str) -> Outcome:
    """Read how a run ended.

    Args:
        directory: The run's directory.
        seed: The run's seed.
        metric: The metric that counts.

    Returns:
        The outcome; without a score for a run that diverged, failed, was interrupted or lacks the metric.
    """
    run = RunDirectory(directory)
    try:
        status = run.read_status()
        if status.get("status") != "finished":
            return Outcome(directory, seed, None, str(status.get("reason", status.get("status"))))
        result = run.read_result()
        metrics = result["metrics"]
    except RunError as error:
        reason = str(error).replace(f"{directory}", "the run").partition(";")[0]
        return Outcome(directory, seed, None, reason)
    value = metrics.get(metric)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Outcome(directory, seed, None, f"{metric} is {value}")
    sizes: Json = {key: result[key] for key in ("examples", "data", "classes") if key in result}
    return Outcome(directory, seed, float(value), "", metrics, at_chance(result), sizes=sizes)


def seeds_by_reason(failed: Iterable[tuple[int, str]]) -> str:
    """Write which runs failed why.

    Args:
        failed: The seed of each run and its reason.

    >>> seeds_by_reason([(0, "diverged"), (1, "killed"), (3, "diverged")])
    'seed 0, 3: diverged; seed 1: killed'
    """
    seeds: dict[str, list[str]] = {}
    for seed, reason in failed:
        seeds.setdefault(reason, []).append(str(seed))
    return "; ".join(f"seed {', '.join(of_reason)}: {reason}" for reason, of_reason in seeds.items())


def choose(cell: Cell, trials: Sequence[Trial], metric: str, mode: Mode) -> Choice:
    """Choose the trial with the best mean validation score, the first in declared order among equals.

    Args:
        cell: The cell.
        trials: The trials of the cell's settings, in their order.
        metric: The validation metric that the scores are values of.
        mode: Whether the highest (`max`) or the lowest (`min`) score is best.
    """
    sign = 1.0 if mode == "max" else -1.0
    scores = {index: sign * trial.score for index, trial in enumerate(trials) if trial.score is not None}
    if not scores:
        reasons = (outcome.reason for trial in trials for outcome in trial.outcomes if outcome.reason)
        warning = (
            f"{cell.name}: all {len(trials)} trials failed, so there is nothing to repeat (the first: "
            f"{next(reasons, 'no runs')})"
        )
        return Choice(cell, tuple(trials), metric, mode, None, (warning,))
    chosen = max(scores, key=lambda index: (scores[index], -index))
    setting = trials[chosen].setting
    warnings = [f"{cell.name}: {message}" for message in edge_messages(cell.space, setting)]
    warnings += _failures(cell, trials)
    equal = [index for index, score in scores.items() if score == scores[chosen]]
    if len(equal) > 1:
        warnings.append(
            f"{cell.name}: {len(equal)} settings have the same best {metric}; the first of them was chosen "
            f"({format_setting_pairs(setting)})"
        )
    return Choice(cell, tuple(trials), metric, mode, chosen, tuple(warnings))


def _failures(cell: Cell, trials: Sequence[Trial]) -> Iterator[str]:
    failed = [trial for trial in trials if trial.score is None]
    if failed:
        reasons = "; ".join(f"{format_setting_pairs(trial.setting)}: {_reason(trial)}" for trial in failed)
        yield f"{cell.name}: {len(failed)} of {len(trials)} trials failed and count as the worst ({reasons})"


def _reason(trial: Trial) -> str:
    return next(outcome.reason for outcome in trial.outcomes if outcome.score is None)


def format_setting_pairs(setting: Setting) -> str:
    """Write a setting as `optim.lr=0.1, optim.momentum=0.9`."""
    return ", ".join(f"{key}={value}" for key, value in setting.items())
