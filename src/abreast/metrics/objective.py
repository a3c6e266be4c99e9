"""The metric that says which epoch, and which of several runs, is best. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from abreast.metrics.registry import Mode, direction, worst_value
from abreast.metrics.requested import requested

DEFAULT_MONITOR = {"classification": "val/accuracy", "regression": "val/loss"}
WITHOUT_VALIDATION = "train/loss"


def monitor(cfg: Mapping[str, Any]) -> tuple[str, Mode] | None:
    """The metric that says which epoch is best, and its direction; None without validation examples."""
    requested(cfg)  # so that their directions are known
    name = cfg.get("monitor")
    if name is None:
        if cfg["data"]["val_fraction"] == 0:
            return None
        name = DEFAULT_MONITOR["classification" if cfg["data"]["task"] == "classification" else "regression"]
    return name, direction(name)


def ranked_by(cfg: Mapping[str, Any]) -> tuple[str, Mode]:
    """What runs are compared by, and its direction: as `monitor`, or without validation the training loss."""
    return monitor(cfg) or (WITHOUT_VALIDATION, direction(WITHOUT_VALIDATION))


def objective(cfg: Mapping[str, Any], metrics: Mapping[str, float]) -> float:
    """The value that a sweeper compares runs by, from a run's metrics by key.

    It is the worst one where the stage was measured, but the metric is not defined: an AUROC of one class.
    """
    name = ranked_by(cfg)[0]
    if name not in metrics and f"{name.partition('/')[0]}/loss" in metrics:
        return worst_value(name)
    return float(metrics[name])


def worst(cfg: Mapping[str, Any]) -> float:
    """The worst value that the monitored metric can have: a diverged run's."""
    monitored = monitor(cfg)
    return math.inf if monitored is None else worst_value(monitored[0])
