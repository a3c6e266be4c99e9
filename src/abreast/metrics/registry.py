"""Every metric once: its task, its direction, its titles and its range. No torch.

A metric is a `Metric` in `METRICS`, plus one function in `abreast.metrics.stage.FACTORIES` that makes its
torchmetrics object. To add one, write both, and a row of `tests/metrics/test_stage.py` that compares it with
a reference. Columns of metrics.csv, the summary, reports, studies, `monitor=` and its checks follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mode = Literal["min", "max"]
Task = Literal["classification", "regression"]
Stage = Literal["train", "val", "test"]

TASKS: tuple[Task, ...] = ("classification", "regression")
STAGES: tuple[Stage, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Metric:
    """What is known of a metric without measuring it.

    Attributes:
        name: as in `val/<name>`.
        tasks: where it is defined.
        mode: whether `max` or `min` of it is best.
        title: for sentences, axes and tables.
        short_title: for the terminal, at most 17 characters.
        worst: the worst value it can have; infinite if it is not bounded on that side.
        best: the best value it can have; infinite if it is not bounded on that side.
        priority: runs are compared by the metric of the highest priority that they have.
        test_only: measured in the test alone, because it costs too much for every epoch.
        level_step: levels that a figure chooses ("reached 0.95 after ...") are multiples of it; None if the
            metric has no natural scale.
    """

    name: str
    tasks: tuple[Task, ...]
    mode: Mode
    title: str
    short_title: str
    worst: float
    best: float
    priority: int
    test_only: bool = False
    level_step: float | None = None

    @property
    def higher_is_better(self) -> bool:
        """Whether the direction is `max`."""
        return self.mode == "max"


# In the order of the columns of metrics.csv and of the summary.
METRICS = (
    Metric("loss", TASKS, "min", "loss", "loss", math.inf, -math.inf, priority=1),
    Metric(
        "accuracy",
        ("classification",),
        "max",
        "accuracy",
        "accuracy",
        0.0,
        1.0,
        priority=4,
        level_step=0.005,
    ),
    Metric(
        "ece",
        ("classification",),
        "min",
        "calibration error",
        "calibration error",
        1.0,
        0.0,
        priority=0,
        test_only=True,
    ),
    Metric(
        "mae", ("regression",), "min", "mean absolute error", "mean abs. error", math.inf, 0.0, priority=2
    ),
    Metric("r2", ("regression",), "max", "R²", "R²", -math.inf, 1.0, priority=3, level_step=0.01),
)
_BY_NAME = {metric.name: metric for metric in METRICS}


def lookup(key: str) -> Metric | None:
    """The metric of a key; None for a key of nothing that is measured here.

    Args:
        key: `accuracy`, `val/accuracy`, or a class's own `test/accuracy/cat`.

    >>> lookup("val/accuracy").title
    'accuracy'
    """
    stage, separator, name = key.partition("/")
    return _BY_NAME.get(name.partition("/")[0] if separator else stage)


def direction(key: str) -> Mode:
    """Whether `max` or `min` of a key is best; `min` for one that is not in the registry.

    >>> direction("test/r2"), direction("val/loss"), direction("val/my_error")
    ('max', 'min', 'min')
    """
    metric = lookup(key)
    return "min" if metric is None else metric.mode


def worst_value(key: str) -> float:
    """The worst value of a key, as a diverged run has it; infinity for one that is not in the registry."""
    metric = lookup(key)
    return math.inf if metric is None else metric.worst


def bounds(key: str) -> tuple[float | None, float | None]:
    """The least and the greatest value that a key can have; None for a side without a limit.

    A loss has none: what a custom criterion can return is not known.

    >>> bounds("test/accuracy"), bounds("test/r2"), bounds("val/loss")
    ((0.0, 1.0), (None, 1.0), (None, None))
    """
    metric = lookup(key)
    if metric is None:
        return (None, None)
    low, high = sorted((metric.worst, metric.best))
    return (low if math.isfinite(low) else None, high if math.isfinite(high) else None)


def title(key: str) -> str:
    """The title of a key's metric; its name, for one that is not in the registry."""
    metric = lookup(key)
    return key.rpartition("/")[2] if metric is None else metric.title


def measured(task: str, *, test: bool = False) -> tuple[Metric, ...]:
    """The metrics of a task: those of every epoch, with `test` also those of the test alone.

    >>> [metric.name for metric in measured("classification", test=True)]
    ['loss', 'accuracy', 'ece']
    """
    return tuple(metric for metric in METRICS if task in metric.tasks and (test or not metric.test_only))


def by_priority(metrics: Sequence[Metric] = METRICS) -> tuple[Metric, ...]:
    """Metrics by priority, the one that runs are compared by first.

    >>> [metric.name for metric in by_priority()]
    ['accuracy', 'r2', 'mae', 'loss', 'ece']
    """
    return tuple(sorted(metrics, key=lambda metric: -metric.priority))


def monitored_keys(task: str) -> tuple[str, ...]:
    """The keys that a run of the task measures each epoch, so that something can watch them.

    >>> monitored_keys("classification")
    ('train/loss', 'train/accuracy', 'val/loss', 'val/accuracy')
    """
    return tuple(f"{stage}/{metric.name}" for stage in ("train", "val") for metric in measured(task))
