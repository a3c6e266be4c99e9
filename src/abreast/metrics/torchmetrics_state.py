"""The state of a torchmetrics metric within an epoch: all that is used of its private names."""

from __future__ import annotations

from typing import TypedDict

from torch import Tensor
from torchmetrics import Metric


class MetricState(TypedDict):
    """How often a metric was updated, and its tensors by name."""

    updates: int
    state: dict[str, Tensor | list[Tensor]]


def save(metric: Metric) -> MetricState:
    """What a metric holds: the tensors themselves, not copies."""
    return {"updates": metric._update_count, "state": dict(metric.metric_state)}


def restore(metric: Metric, state: MetricState) -> None:
    """Let a metric hold what `save` gave."""
    metric._update_count = state["updates"]
    for name, value in state["state"].items():
        setattr(metric, name, value)


def mark_updated(metric: Metric) -> None:
    """Let a metric that saw no examples compute its value without a warning."""
    metric._update_count = 1
