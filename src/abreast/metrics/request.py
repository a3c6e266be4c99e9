"""A metric that was asked for: its torchmetrics object, and what of the scores that is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import Metric

from abreast.metrics import torchmetrics_state
from abreast.metrics.batched import BatchedMetric

# What a metric is given, of raw scores `[..., N, C]`.
SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda scores: scores,
    "probs": lambda scores: scores.softmax(-1),
    "positive": lambda scores: scores.softmax(-1)[..., 1],
    "labels": lambda scores: scores.argmax(-1),
}


@dataclass(frozen=True)
class MetricRequest:
    """A metric that was asked for.

    Attributes:
        prototype: A metric that has seen no examples.
        scores: A key of `SCORES`.
    """

    prototype: Metric
    scores: str

    def make(self) -> Metric:
        """A metric that has seen no examples."""
        return self.prototype.clone()

    def update(self, metric: Metric, scores: Tensor, targets: Tensor, ignore_index: int | None) -> None:
        """Add examples to a metric that `make` gave.

        Args:
            metric: The metric.
            scores: Raw scores `[N, C]`.
            targets: Labels `[N]`; for regression `[N, C]`.
            ignore_index: A label whose examples do not count.
        """
        counted = None if ignore_index is None else targets != ignore_index
        if isinstance(metric, BatchedMetric):
            metric.update(SCORES[self.scores](scores), targets, counted)
            return
        if counted is not None:
            scores, targets = scores[counted], targets[counted]
        if len(targets):
            metric.update(SCORES[self.scores](scores), targets)
        else:  # many a metric raises for no examples
            torchmetrics_state.mark_updated(metric)


def value_of(metric: Metric) -> Tensor:
    """A metric's value over all ranks, 0-d: of one with a value for each target, the mean; nan for none."""
    try:
        value = torch.as_tensor(metric.compute())
    except (ValueError, RuntimeError, ZeroDivisionError):  # nothing, or too little, was measured
        return torch.tensor(torch.nan)
    return value.float().mean() if value.numel() > 1 else value.reshape(())
