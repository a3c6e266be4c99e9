"""Metrics of regression that are summed up over the examples."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.metrics.batched import BatchedMetric, States, sum_last


class RootMeanSquaredError(BatchedMetric):
    """The root of the mean squared error, over the examples and their targets."""

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__({"total": (), "values": ()}, frozenset({"values"}))

    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """The sum and the number of values `[...]` of predictions and targets `[..., N, D]`."""
        errors = (scores - targets).square().flatten(-2)
        count = torch.full(errors.shape[:-1], errors.shape[-1], device=errors.device)
        return {"total": sum_last(errors), "values": count}

    def value(self, states: States) -> Tensor:
        """The root `[...]`."""
        return (states["total"] / states["values"]).sqrt()
