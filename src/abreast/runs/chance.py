"""Whether a finished run did better than guessing, from its result.json alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from abreast.config.types import is_number, is_whole

SURELY_ABOVE = math.log(1000) / 2  # Hoeffding (1963): P(share of hits > chance + sqrt(this / n)) < 1 / 1000


@dataclass(frozen=True)
class Chance:
    """What guessing reaches on a run's test examples, or on its validation examples if it was not tested.

    Attributes:
        level: Expected accuracy of the best constant prediction: the share of the largest class, in (0, 1).
        examples: Number of examples.
        stage: `test` or `val`.
    """

    level: float
    examples: int
    stage: Literal["test", "val"] = "test"

    @property
    def limit(self) -> float:
        """The highest accuracy that still counts as chance."""
        return _limit(self.level, self.examples)

    def contains(self, accuracy: float) -> bool:
        """Tell whether an accuracy is one that guessing can reach."""
        if accuracy > self.level + math.sqrt(SURELY_ABOVE / self.examples):
            return False
        return math.isnan(accuracy) or accuracy <= self.limit


@cache
def _limit(level: float, examples: int) -> float:
    from abreast.statistics.collapse import chance_limit  # scipy, late: the end of most runs does without

    return chance_limit(level, examples)


def judged_stage(result: Mapping[str, Any]) -> Literal["test", "val"]:
    """Which examples tell whether a run learned something: those of the test, if there was one."""
    metrics = result.get("metrics")
    names = [str(name) for name in metrics] if isinstance(metrics, Mapping) else []
    is_tested = any(name.startswith("test/") for name in names)
    return "test" if is_tested or not any(name.startswith("val/") for name in names) else "val"


def chance_of(result: Mapping[str, Any]) -> Chance | None:
    """Find what guessing reaches on the examples that a run is judged by.

    Args:
        result: The content of result.json, of whatever age or state.

    Returns:
        The level by the record of the data, else by the classes of the test examples in the confusion matrix,
        else by the number of classes; validation examples have that of the test examples. None for a
        regression, and where no classes or examples are known.
    """
    counts = _class_counts(result.get("confusion"))
    record = result.get("data")
    data = record if isinstance(record, Mapping) else {}
    stage = judged_stage(result)
    known = (data.get(stage), _examples(result, stage), sum(counts) if stage == "test" else None)
    examples = next((count for count in known if is_whole(count, 1)), None)
    classes = result.get("classes")
    number = len(classes) if isinstance(classes, (list, tuple)) else 0
    levels = (
        data.get("chance"),
        max(counts) / sum(counts) if sum(counts) else None,
        1 / number if number > 1 else None,
    )
    for level in levels:
        if examples is not None and isinstance(level, float) and 0 < level < 1:
            return Chance(level, examples, stage)
    return None


def at_chance(result: Mapping[str, Any], metric: Literal["accuracy", "r2"] = "accuracy") -> bool:
    """Tell whether a run did no better than guessing.

    Args:
        result: The content of result.json.
        metric: The metric to judge by. An accuracy is at chance if guessing can reach it, an R² if it is
            not positive, as predicting the mean reaches 0. No other metric has a level of chance.
    """
    metrics = result.get("metrics")
    value = metrics.get(f"{judged_stage(result)}/{metric}") if isinstance(metrics, Mapping) else None
    if not is_number(value):
        return False
    if metric == "r2":
        return not value > 0
    chance = chance_of(result)
    return chance is not None and chance.contains(float(value))


def _class_counts(confusion: object) -> list[int]:
    """The number of test examples of each class; none where the matrix is missing or broken."""
    if not isinstance(confusion, list) or not all(isinstance(row, list) for row in confusion):
        return []
    if not all(isinstance(count, int) and count >= 0 for row in confusion for count in row):
        return []
    return [sum(row) for row in confusion]


def _examples(result: Mapping[str, Any], stage: str) -> object:
    examples = result.get("examples")
    return examples.get(stage) if isinstance(examples, Mapping) else None
