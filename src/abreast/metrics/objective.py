"""The metric that says which epoch, and which of several runs, is best. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def monitor(cfg: Mapping[str, Any]) -> tuple[str, str] | None:
    """The metric that says which epoch is best, and `min` or `max`; None without validation rows."""
    name = cfg.get("monitor")
    if name is None:
        if cfg["data"]["val_fraction"] == 0:
            return None
        name = "val/accuracy" if cfg["data"]["task"] == "classification" else "val/loss"
    return name, "max" if name.endswith(("accuracy", "r2")) else "min"


def objective(cfg: Mapping[str, Any], metrics: Mapping[str, float]) -> float:
    """What a sweeper compares runs by: the monitored metric, or without validation the training loss."""
    watched = monitor(cfg)
    return float(metrics[watched[0] if watched else "train/loss"])


def worst(cfg: Mapping[str, Any]) -> float:
    """The worst value that the monitored metric can have: a diverged run's."""
    watched = monitor(cfg)
    if watched is None or watched[1] == "min":
        return math.inf
    return 0.0 if watched[0].endswith("accuracy") else -math.inf
