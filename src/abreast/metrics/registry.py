"""What is known of a metric by its key: its direction, its title, its range. No torch.

The metrics themselves are the rows of `abreast.metrics.table`, and those that a configuration declares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from abreast.config.schema import TASKS, Task
from abreast.metrics.table import METRICS as METRICS
from abreast.metrics.table import Metric as Metric
from abreast.metrics.table import Mode as Mode

Stage = Literal["train", "val", "test"]

STAGES: tuple[Stage, ...] = ("train", "val", "test")
STAGE_TITLES = {"train": "training", "val": "validation", "test": "test"}  # in sentences

_BY_NAME = {metric.name: metric for metric in METRICS}
_DECLARED: dict[str, Metric] = {}


def declare(
    name: str,
    mode: Mode,
    tasks: tuple[Task, ...] = TASKS,
    *,
    title: str | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Metric:
    """Make a metric known that only a configuration names, for the rest of this process.

    Args:
        name: As in `val/<name>`.
        mode: Which way is better.
        tasks: Where it is defined.
        title: What readers see; None for its name.
        bounds: The least and the greatest value that it can have.

    Returns:
        The metric; that of the registry if it has one of this name.

    >>> declare("doctest_kappa", "max").worst, direction("val/doctest_kappa")
    (-inf, 'max')
    """
    if name not in _BY_NAME:
        worst, best = bounds if mode == "max" else bounds[::-1]
        title = title or name
        _DECLARED[name] = Metric(
            name, tasks, mode, title, worst, best, -7, title[:17], on_request=True, is_declared=True
        )
    return _BY_NAME.get(name) or _DECLARED[name]


def declared() -> tuple[Metric, ...]:
    """The metrics that configurations have named in this process, in that order."""
    return tuple(_DECLARED.values())


def lookup(key: str) -> Metric | None:
    """The metric of a key; None for a key of nothing that is measured here.

    Args:
        key: `accuracy`, `val/accuracy`, or a class's own `test/accuracy/cat`.

    >>> lookup("val/accuracy").title
    'accuracy'
    """
    stage, separator, name = key.partition("/")
    base = name.partition("/")[0] if separator else stage
    return _BY_NAME.get(base) or _DECLARED.get(base)


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


def measured(task: str, *, test: bool = False, requested: Sequence[str] = ()) -> tuple[Metric, ...]:
    """The metrics of a task: those of every epoch, with `test` also those of the test alone.

    Args:
        task: The task.
        test: Whether of the test.
        requested: The names of further metrics, that are in the registry or declared.

    >>> [metric.name for metric in measured("classification", test=True, requested=["brier"])]
    ['loss', 'accuracy', 'ece', 'brier']
    """
    usual = (metric for metric in METRICS if task in metric.tasks and not metric.on_request)
    metrics = {metric.name: metric for metric in usual if test or not metric.test_only}
    for metric in map(lookup, requested):
        if metric is not None:
            metrics.setdefault(metric.name, metric)
    return tuple(metrics.values())


def by_priority(metrics: Sequence[Metric] | None = None) -> tuple[Metric, ...]:
    """Metrics by priority, the one that runs are compared by first; by default all that are known.

    >>> [metric.name for metric in by_priority(METRICS)][:5]
    ['accuracy', 'r2', 'mae', 'loss', 'ece']
    """
    return tuple(sorted((*METRICS, *declared()) if metrics is None else metrics, key=lambda m: -m.priority))


def asking_for(name: str) -> str:
    """The end of a message for a metric that is not measured: how to ask for it, if there is an option.

    >>> asking_for("brier"), asking_for("accuracy")
    ('. To measure it: metrics=brier', '')
    """
    metric = _BY_NAME.get(name)
    return f". To measure it: metrics={name}" if metric is not None and metric.on_request else ""


def monitored_keys(task: str, requested: Sequence[str] = ()) -> tuple[str, ...]:
    """The keys that a run of the task measures each epoch, so that something can watch them.

    >>> monitored_keys("classification")
    ('train/loss', 'train/accuracy', 'val/loss', 'val/accuracy')
    """
    metrics = measured(task, requested=requested)
    return tuple(f"{stage}/{metric.name}" for stage in ("train", "val") for metric in metrics)
