"""The metrics that a configuration asks for beside the usual ones: its `metrics` group. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from abreast.config.schema import TASKS, Task
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.metrics.registry import Metric, Mode, declare, lookup
from abreast.static.constants import constant

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
RESERVED = ("loss", "losses", "weights", "confusion")
MODES: tuple[Mode, ...] = ("max", "min")
_OF_TASK: dict[str, Task] = {
    "torchmetrics.classification.": "classification",
    "torchmetrics.regression.": "regression",
}


def nodes(cfg: Mapping[str, Any]) -> dict[str, Config]:
    """The group's nodes by the metric's name; none for a configuration of an earlier release."""
    group = cfg.get("metrics")
    if not isinstance(group, Mapping):
        return {}
    return {str(name): dict(node) for name, node in group.items() if isinstance(node, Mapping)}


def requested(cfg: Mapping[str, Any]) -> tuple[Metric, ...]:
    """What is known of the metrics that a configuration asks for; `declare`s those that no table has.

    Raises:
        ConfigError: A name is invalid, or nothing says which way is better.
    """
    return tuple(_declared(name, node) for name, node in nodes(cfg).items())


def _declared(name: str, node: Config) -> Metric:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ConfigError(
            f"metrics.{name[:60]!r}: is not a name for a metric: letters, digits and _, at most 40, and not "
            f"one of {', '.join(RESERVED)}"
        )
    mode = mode_of(name, node)
    if mode is None:
        raise ConfigError(
            f"metrics.{name}.mode: {node.get('_target_')} does not say which way is better; write "
            f"+metrics.{name}.mode=max, or min"
        )
    return declare(name, mode, tasks_of(node))


def mode_of(name: str, node: Mapping[str, Any]) -> Mode | None:
    """Which way is better: as the node says, else the table, else the class's `higher_is_better`, or None."""
    written = node.get("mode")
    if written in MODES:
        return cast(Mode, written)
    metric = lookup(name)
    if metric is not None and not metric.is_declared:
        return metric.mode
    is_max = constant(str(node.get("_target_")), "higher_is_better")
    return None if not isinstance(is_max, bool) else "max" if is_max else "min"


def tasks_of(node: Mapping[str, Any]) -> tuple[Task, ...]:
    """The tasks that a node's class can be for."""
    target = str(node.get("_target_"))
    return next(((task,) for package, task in _OF_TASK.items() if target.startswith(package)), TASKS)
