"""The result of a study, and the file `study.json` that stores it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from abreast import __version__
from abreast.config.types import Json
from abreast.runs.atomic import write_json
from abreast.runs.files import STUDY
from abreast.study.budget import expected_best
from abreast.study.comparison import CellComparison, compare_cells, task_of
from abreast.study.criteria import Criteria
from abreast.study.protocol import Protocol
from abreast.study.selection import Choice, Outcome, seeds_by_reason
from abreast.study.space import Dimension, Values

MOST_NAMES = 3  # cells that a warning names; it counts the others


@dataclass(frozen=True)
class StudyResult:
    """A study as far as it has come.

    Attributes:
        protocol: What the study does.
        directory: The directory of its runs.
        command: The command line.
        choices: The result of tuning each cell.
        criteria: What it is judged by.
        repeats: For each cell the outcomes of its repeats; None until they have been run.
        comparison: The comparison of the repeats; None until they have been run.
    """

    protocol: Protocol
    directory: Path
    command: tuple[str, ...]
    choices: tuple[Choice, ...]
    criteria: Criteria
    repeats: tuple[tuple[Outcome, ...], ...] | None = None
    comparison: CellComparison | None = None

    @property
    def warnings(self) -> list[str]:
        """Everything that makes the result doubtful: first of the choices, then of the repeats."""
        lines = list(_lines_of_choices(self.choices))
        for choice, outcomes in zip(self.choices, self.repeats or (), strict=False):
            failed = [(outcome.seed, outcome.reason) for outcome in outcomes if outcome.score is None]
            if failed:
                count = f"{len(failed)} of {len(outcomes)}"
                lines.append(f"{choice.cell.name}: {count} repeats failed ({seeds_by_reason(failed)})")
        if len(self.protocol.repeats) < 2:
            lines.append(
                "There is one repeat seed, so no interval and no test; add some to hydra.sweeper.repeat_seeds"
            )
        return [*lines, *(self.comparison.warnings if self.comparison else ())]

    def with_repeats(self, repeats: Sequence[tuple[Outcome, ...]]) -> StudyResult:
        """Return the result with the outcomes of the repeats and their comparison."""
        comparison = compare_cells(self.choices, self.criteria, repeats, self.protocol.margin)
        return replace(self, repeats=tuple(repeats), comparison=comparison)

    def order(self) -> list[int]:
        """Return the indices of the cells: by data, then from the best mean test score to the worst."""
        sign = -1.0 if self.criteria.mode == "max" else 1.0
        summaries = self.comparison.summaries if self.comparison else ()
        means = [summary.mean for summary in summaries] or [None] * len(self.choices)
        tasks = [task_of(choice.cell) for choice in self.choices]

        def key(index: int) -> tuple[int, float]:
            mean = means[index]
            return (tasks.index(tasks[index]), math.inf if mean is None else sign * mean)

        return sorted(range(len(means)), key=key)

    def budget_curve(self, index: int) -> list[tuple[int, float]]:
        """Return a cell's pairs of a number of trials and the expected best score, where that is finite."""
        choice = self.choices[index]
        scores = [trial.score for trial in choice.trials]
        curve = expected_best(scores, choice.mode, self.criteria.cells[index].worst)
        return [(trials, score) for trials, score in enumerate(curve, 1) if math.isfinite(score)]

    def write(self) -> None:
        """Write `study.json`; an earlier one is replaced atomically."""
        write_json(self.directory / STUDY, self.content())

    def content(self) -> Json:
        """Return everything as plain data."""
        plan = self.protocol
        return {
            "study": plan.name,
            "status": "tuned" if self.repeats is None else "finished",
            "command": list(self.command),
            "protocol": {
                "trials": plan.trials,
                "tune_seeds": list(plan.tune_seeds),
                "tune_splits": [list(split.overrides) for split in plan.tune_splits],
                "repeat_seeds": list(plan.repeat_seeds),
                "repeat_splits": [list(split.overrides) for split in plan.repeat_splits],
                "search_seed": plan.search_seed,
                "metric": self.criteria.metric,
                "mode": self.criteria.mode,
                "margin": plan.margin,
                "fixed": list(plan.fixed),
            },
            "warnings": self.warnings,
            "cells": [self._cell(index) for index in range(len(self.choices))],
            "versions": {"abreast": __version__},
        }

    def _cell(self, index: int) -> Json:
        choice, best = self.choices[index], self.choices[index].best
        curve = dict(self.budget_curve(index))
        return {
            "name": choice.cell.name,
            "parts": dict(choice.cell.parts),
            "overrides": list(choice.cell.overrides),
            "space": {key: _plain(dimension) for key, dimension in choice.cell.space.items()},
            "metric": choice.metric,
            "mode": choice.mode,
            "status": "failed" if best is None else "tuned" if self.repeats is None else "repeated",
            "chosen": None if best is None else best.setting,
            "validation": None if best is None else best.score,
            "trials": [
                {"setting": trial.setting, "validation": trial.score, "runs": self._runs(trial.outcomes)}
                for trial in choice.trials
            ],
            "budget": [
                {"trials": trials, "expected_best": curve.get(trials)}
                for trials in range(1, len(choice.trials) + 1)
            ],
            "repeats": self._runs(self.repeats[index]) if self.repeats else [],
            "test": self._test(index),
        }

    def _test(self, index: int) -> Json | None:
        if self.comparison is None:
            return None
        name, ranking = self.choices[index].cell.name, self.comparison.rankings[index]
        comparison = ranking.comparisons.get(name)
        return {
            **asdict(self.comparison.summaries[index]),
            "verdict": ranking.verdict(name),
            "best": name in ranking.best,
            "comparison": asdict(comparison) if comparison else None,
        }

    def _runs(self, outcomes: Sequence[Outcome]) -> list[Json]:
        return [
            {"seed": outcome.seed, "run": outcome.path_in(self.directory), "value": outcome.score}
            | ({"reason": outcome.reason} if outcome.score is None else {})
            for outcome in outcomes
        ]


def _lines_of_choices(choices: Sequence[Choice]) -> Iterator[str]:
    """The warnings of the choices, one line for all cells that have the same."""
    cells: dict[str, list[str]] = {}
    for choice in choices:
        for line in choice.warnings:
            cells.setdefault(line.removeprefix(f"{choice.cell.name}: "), []).append(choice.cell.name)
    for message, names in cells.items():
        others = len(names) - MOST_NAMES
        more = f" and {others} other cell{'s' * (others > 1)}" if others > 0 else ""
        yield f"{'; '.join(names[:MOST_NAMES])}{more}: {message}"


def _plain(dimension: Dimension) -> object:
    if isinstance(dimension, Values):
        return list(dimension.values)
    return {"low": dimension.low, "high": dimension.high, "scale": "log" if dimension.is_log else "linear"}
