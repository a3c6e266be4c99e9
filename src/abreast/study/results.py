"""What a study found, as `study.json`: the protocol, every trial, the choices, the repeats, the warnings."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from abreast import __version__
from abreast.runs.atomic import write_atomically
from abreast.runs.files import STUDY
from abreast.study.budget import expected_best
from abreast.study.comparison import Verdict, judge, task_of
from abreast.study.criteria import Grounds
from abreast.study.protocol import Protocol
from abreast.study.selection import Choice, Outcome
from abreast.study.space import Dimension, Values


@dataclass(frozen=True)
class Findings:
    """A study as far as it has come; `repeats` are None until the chosen settings have been repeated.

    metric, mode: the test score that cells are compared by, and whether `max` or `min` of it is best.
    verdict: what the statistics made of the repeats.
    """

    protocol: Protocol
    directory: Path
    command: tuple[str, ...]
    choices: tuple[Choice, ...]
    grounds: tuple[Grounds, ...]
    metric: str
    mode: str
    repeats: tuple[tuple[Outcome, ...], ...] | None = None
    verdict: Verdict | None = None

    @property
    def warnings(self) -> list[str]:
        """Everything that speaks against the choices, then against the repeats."""
        lines = [line for choice in self.choices for line in choice.warnings]
        for choice, outcomes in zip(self.choices, self.repeats or (), strict=False):
            failed = [each for each in outcomes if each.value is None]
            if failed:
                reasons: dict[str, list[str]] = {}
                for each in failed:
                    reasons.setdefault(each.reason, []).append(str(each.seed))
                which = "; ".join(f"seed {', '.join(at)}: {reason}" for reason, at in reasons.items())
                lines.append(f"{choice.cell.name}: {len(failed)} of {len(outcomes)} repeats failed ({which})")
        if len(self.protocol.repeat_seeds) < 2:
            lines.append(
                "One repeat seed: no interval and no test can be had; give hydra.sweeper.repeat_seeds more"
            )
        return [*lines, *(self.verdict.warnings if self.verdict else ())]

    def repeated(self, repeats: Sequence[tuple[Outcome, ...]]) -> Findings:
        """The findings with the repeats' outcomes, judged."""
        verdict = judge(self.choices, self.grounds, repeats, self.metric, self.mode)
        return replace(self, repeats=tuple(repeats), verdict=verdict)

    def order(self) -> list[int]:
        """The cells' places, data by data, from the best mean test score to the worst and to none."""
        sign = -1.0 if self.mode == "max" else 1.0
        means = [each.mean for each in self.verdict.summaries] if self.verdict else [None] * len(self.choices)
        tasks = [task_of(choice.cell) for choice in self.choices]
        return sorted(
            range(len(means)),
            key=lambda at: (
                tasks.index(tasks[at]),
                math.inf if (mean := means[at]) is None else sign * mean,
            ),
        )

    def curve(self, at: int) -> list[tuple[int, float]]:
        """A cell's expected best validation score by budget: (trials, score), where it is finite."""
        choice = self.choices[at]
        curve = expected_best([each.value for each in choice.trials], choice.mode, self.grounds[at].worst)
        return [(k, curve[k - 1]) for k in range(1, len(curve) + 1) if math.isfinite(curve[k - 1])]

    def write(self) -> None:
        """Write `study.json`, whole or not at all."""
        content = json.dumps(self.content(), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.directory / STUDY, f"{content}\n".encode())

    def content(self) -> dict[str, Any]:
        """All of it as plain data."""
        plan = self.protocol
        return {
            "study": plan.name,
            "status": "tuned" if self.repeats is None else "finished",
            "command": list(self.command),
            "protocol": {
                "trials": plan.trials,
                "tune_seeds": list(plan.tune_seeds),
                "repeat_seeds": list(plan.repeat_seeds),
                "search_seed": plan.search_seed,
                "metric": self.metric,
                "mode": self.mode,
                "fixed": list(plan.fixed),
            },
            "warnings": self.warnings,
            "cells": [self._cell(at) for at in range(len(self.choices))],
            "versions": {"abreast": __version__},
        }

    def _cell(self, at: int) -> dict[str, Any]:
        choice, best = self.choices[at], self.choices[at].best
        curve = dict(self.curve(at))
        return {
            "name": choice.cell.name,
            "parts": dict(choice.cell.parts),
            "overrides": list(choice.cell.overrides),
            "space": {key: _plain(each) for key, each in choice.cell.space.items()},
            "metric": choice.metric,
            "mode": choice.mode,
            "status": "failed" if best is None else "tuned" if self.repeats is None else "repeated",
            "chosen": None if best is None else best.setting,
            "validation": None if best is None else best.value,
            "trials": [
                {"setting": each.setting, "validation": each.value, "runs": self._runs(each.outcomes)}
                for each in choice.trials
            ],
            "budget": [
                {"trials": k, "expected_best": curve.get(k)} for k in range(1, len(choice.trials) + 1)
            ],
            "repeats": self._runs(self.repeats[at]) if self.repeats else [],
            "test": self._test(at),
        }

    def _test(self, at: int) -> dict[str, Any] | None:
        if self.verdict is None:
            return None
        name, ranking = self.choices[at].cell.name, self.verdict.rankings[at]
        against = ranking.comparisons.get(name)
        return {
            **asdict(self.verdict.summaries[at]),
            "verdict": ranking.verdict(name),
            "best": name in ranking.best,
            "comparison": asdict(against) if against else None,
        }

    def _runs(self, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
        return [
            {"seed": each.seed, "run": self._place(each.directory), "value": each.value}
            | ({"reason": each.reason} if each.value is None else {})
            for each in outcomes
        ]

    def _place(self, path: Path) -> str:
        inside = path.is_relative_to(self.directory)
        return (path.relative_to(self.directory) if inside else path).as_posix()


def _plain(dimension: Dimension) -> Any:
    if isinstance(dimension, Values):
        return list(dimension.values)
    return {"low": dimension.low, "high": dimension.high, "scale": "log" if dimension.is_log else "linear"}
