"""What is measured, and which way is better. No torch until one of the classes is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from abreast.metrics.registry import METRICS, Metric, direction, lookup, measured

if TYPE_CHECKING:
    from abreast.metrics.auroc import AUROC
    from abreast.metrics.batched import BatchedMetric
    from abreast.metrics.class_metrics import (
        BalancedAccuracy,
        BrierScore,
        CalibrationError,
        MacroF1,
        TopKAccuracy,
    )
    from abreast.metrics.regression import RootMeanSquaredError
    from abreast.metrics.stage import StageMetrics

__all__ = [
    "AUROC",
    "METRICS",
    "BalancedAccuracy",
    "BatchedMetric",
    "BrierScore",
    "CalibrationError",
    "MacroF1",
    "Metric",
    "RootMeanSquaredError",
    "StageMetrics",
    "TopKAccuracy",
    "direction",
    "lookup",
    "measured",
]
_HOMES = {
    "AUROC": "auroc",
    "BatchedMetric": "batched",
    **dict.fromkeys(
        ("BalancedAccuracy", "BrierScore", "CalibrationError", "MacroF1", "TopKAccuracy"), "class_metrics"
    ),
    "RootMeanSquaredError": "regression",
    "StageMetrics": "stage",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"abreast.metrics.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
