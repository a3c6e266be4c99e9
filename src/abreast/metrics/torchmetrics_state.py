"""The state of a torchmetrics metric within an epoch: all that is used of its private names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from torch import Tensor
from torchmetrics import Metric

if TYPE_CHECKING:
    from typing_extensions import NotRequired


class MetricState(TypedDict):
    """How often a metric was updated, and its tensors by name; `inner`: of the metrics inside it."""

    updates: int
    state: dict[str, Tensor | list[Tensor]]
    inner: NotRequired[list[MetricState]]


def save(metric: Metric) -> MetricState:
    """What a metric holds, as copies: many a metric adds to its tensors in place."""
    values = {
        name: list(value) if isinstance(value, list) else value.clone()
        for name, value in metric.metric_state.items()
    }
    state: MetricState = {"updates": metric._update_count, "state": values}
    if inner := _inside(metric):
        state["inner"] = [save(part) for part in inner]
    return state


def restore(metric: Metric, state: MetricState) -> None:
    """Let a metric hold what `save` gave."""
    metric._update_count = state["updates"]
    for name, value in state["state"].items():
        setattr(metric, name, list(value) if isinstance(value, list) else value)
    for part, inner in zip(_inside(metric), state.get("inner", []), strict=True):
        restore(part, inner)


def _inside(metric: Metric) -> list[Metric]:
    """The metrics that a wrapper holds, at any depth but inside one another."""
    parts: list[Metric] = []
    nodes = [*metric.children()]
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, Metric):
            parts.append(node)
        else:
            nodes += node.children()
    return parts


def mark_updated(metric: Metric) -> None:
    """Let a metric that saw no examples compute its value without a warning."""
    metric._update_count = 1
