"""What is measured, and which way is better. No torch until `StageMetrics` is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abreast.metrics.registry import METRICS, Metric, direction, lookup, measured

if TYPE_CHECKING:
    from abreast.metrics.stage import StageMetrics

__all__ = ["METRICS", "Metric", "StageMetrics", "direction", "lookup", "measured"]


def __getattr__(name: str) -> Any:
    if name == "StageMetrics":
        from abreast.metrics.stage import StageMetrics

        return StageMetrics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
