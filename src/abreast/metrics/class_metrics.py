"""Metrics of classification that are counted, or summed up, over the examples."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import one_hot

from abreast.metrics.batched import BatchedMetric, States, mean_of, sum_last, tally


class _CountsByClass(BatchedMetric):
    """Counts for each class its labels, its predictions, and those that agree.

    Args:
        num_classes: The number of classes.
    """

    higher_is_better = True

    def __init__(self, num_classes: int) -> None:
        shape = (num_classes,)
        super().__init__({"hits": shape, "predictions": shape, "labels": shape})
        self.num_classes = num_classes

    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """The counts `[..., C]` of raw scores `[..., N, C]`."""
        predicted = scores.argmax(-1)
        weights = torch.ones_like(targets) if counted is None else counted.long()
        labels = targets if counted is None else targets.where(counted, 0)
        return {
            "hits": tally(labels, self.num_classes, weights * (predicted == labels)),
            "predictions": tally(predicted, self.num_classes, weights),
            "labels": tally(labels, self.num_classes, weights),
        }


class BalancedAccuracy(_CountsByClass):
    """The mean over the classes that occur of the share of their examples that are right.

    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", ICPR.

    Args:
        num_classes: The number of classes.
    """

    def value(self, states: States) -> Tensor:
        """The mean recall `[...]`."""
        labels = states["labels"]
        return mean_of(states["hits"] / labels.clamp(min=1), labels > 0)


class MacroF1(_CountsByClass):
    """The mean of F1 = 2 TP / (2 TP + FP + FN) over the classes that occur or are predicted.

    Sokolova & Lapalme 2009, "A systematic analysis of performance measures", Inf. Process. Manag. 45(4).

    Args:
        num_classes: The number of classes.
    """

    def value(self, states: States) -> Tensor:
        """The mean F1 `[...]`."""
        total = states["predictions"] + states["labels"]
        return mean_of(2 * states["hits"] / total.clamp(min=1), total > 0)


class TopKAccuracy(BatchedMetric):
    """The share of the examples whose class is among the `k` highest scores.

    Args:
        num_classes: The number of classes.
        k: How many scores; fewer than there are classes.

    Raises:
        ValueError: There are no more classes than `k`, so that every example would be right.
    """

    higher_is_better = True

    def __init__(self, num_classes: int, k: Annotated[int, Ge(1)] = 5) -> None:
        if k >= num_classes:
            raise ValueError(
                f"{k=} of {num_classes} classes is always right; choose fewer, with metrics.NAME.k"
            )
        super().__init__({"hits": (), "examples": ()})
        self.k = k

    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """Hits and examples `[...]` of raw scores `[..., N, C]`."""
        hits = (scores.topk(self.k, -1).indices == targets[..., None]).any(-1)
        counted = torch.ones_like(hits) if counted is None else counted
        return {"hits": (hits & counted).sum(-1), "examples": counted.sum(-1)}

    def value(self, states: States) -> Tensor:
        """The share `[...]`."""
        return states["hits"] / states["examples"]


class BrierScore(BatchedMetric):
    """The mean over the examples of sum_j (p_j - y_j)^2, with one-hot y: from 0 to 2.

    Brier 1950, "Verification of forecasts expressed in terms of probability", Mon. Weather Rev. 78.

    Args:
        num_classes: The number of classes.
    """

    higher_is_better = False
    takes = "probs"

    def __init__(self, num_classes: int) -> None:
        super().__init__({"total": (), "examples": ()}, frozenset({"examples"}))
        self.num_classes = num_classes

    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """The sum and the examples `[...]` of probabilities `[..., N, C]`."""
        counted = torch.ones_like(targets, dtype=torch.bool) if counted is None else counted
        labels = one_hot(targets.where(counted, 0), self.num_classes)
        errors = (scores - labels).square().sum(-1).masked_fill(~counted, 0.0)
        return {"total": sum_last(errors), "examples": counted.sum(-1)}

    def value(self, states: States) -> Tensor:
        """The mean `[...]`."""
        return states["total"] / states["examples"]


class CalibrationError(BatchedMetric):
    """The mean gap between confidence and accuracy, over bins of equal width, weighted by their examples.

    Guo et al. 2017, "On calibration of modern neural networks", equation 3, arXiv 1706.04599.

    Args:
        bins: How many.
    """

    higher_is_better = False
    takes = "probs"

    def __init__(self, bins: Annotated[int, Ge(1)] = 15) -> None:
        shape = (bins + 1,)  # the last one for a confidence of exactly 1, as torchmetrics
        super().__init__(
            {"confidence": shape, "hits": shape, "examples": shape}, frozenset({"hits", "examples"})
        )
        self.bins = bins

    def measure(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> States:
        """Sums by bin `[..., bins + 1]` of probabilities `[..., N, C]`."""
        confidences, predicted = scores.max(-1)
        counted = torch.ones_like(targets, dtype=torch.bool) if counted is None else counted
        edges = torch.linspace(0, 1, self.bins + 1, dtype=scores.dtype, device=scores.device)
        index = torch.bucketize(confidences, edges, right=True).sub_(1).clamp_(0, self.bins)
        hits = (predicted == targets) & counted
        return {
            "confidence": tally(index, self.bins + 1, confidences * counted),
            "hits": tally(index, self.bins + 1, hits.long()),
            "examples": tally(index, self.bins + 1, counted.long()),
        }

    def value(self, states: States) -> Tensor:
        """The calibration error `[...]`."""
        examples = states["examples"]
        gaps = (states["hits"] - states["confidence"]).abs() / examples.clamp(min=1)
        return sum_last(gaps * examples / examples.sum(-1, keepdim=True))
