"""Criteria of torch as formulas, for those that cannot be batched over lanes or take numbers alone.

Each takes the criterion, whose settings may be tensors; scores `[B, C]`; and targets as the criterion does.
Values and gradients are torch's but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Formula = Callable[[Any, Tensor, Tensor], Tensor]


def cross_entropy(criterion: Any, scores: Tensor, targets: Tensor) -> Tensor:
    """`torch.nn.CrossEntropyLoss`, of class indices."""
    loss: Tensor
    if targets.is_floating_point():
        loss = criterion(scores, targets)
        return loss
    log_probs = F.log_softmax(scores, -1)
    counts = targets != criterion.ignore_index
    labels = torch.where(counts, targets, 0)
    weight = torch.ones_like(scores[0]) if criterion.weight is None else criterion.weight
    weights = weight[labels] * counts
    of_label = log_probs.gather(-1, labels[:, None]).squeeze(-1)
    of_all = (log_probs * weight).sum(-1) * counts
    smoothing = criterion.label_smoothing
    terms = (1 - smoothing) * weights * of_label + smoothing / scores.shape[-1] * of_all
    # Where no row counts, the loss and its gradient are 0, for which a division by 0 would give nan.
    loss = -terms.sum() / torch.where(counts.any(), weights.sum(), 1.0)
    return loss


def multi_margin(criterion: Any, scores: Tensor, targets: Tensor) -> Tensor:
    """`torch.nn.MultiMarginLoss`."""
    labels = targets[:, None]
    terms: Tensor = (criterion.margin - scores.gather(-1, labels) + scores).relu() ** criterion.p
    if criterion.weight is not None:
        terms = terms * criterion.weight[labels]
    return terms.scatter(-1, labels, 0.0).mean()


def huber(criterion: Any, scores: Tensor, targets: Tensor) -> Tensor:
    """`torch.nn.HuberLoss`."""
    apart, delta = (scores - targets).abs(), criterion.delta
    return torch.where(apart <= delta, 0.5 * apart * apart, delta * (apart - 0.5 * delta)).mean()


def hinge_embedding(criterion: Any, scores: Tensor, targets: Tensor) -> Tensor:
    """`torch.nn.HingeEmbeddingLoss`, of targets 1 and -1."""
    return torch.where(targets > 0, scores, (criterion.margin - scores).relu()).mean()


def kl_div(criterion: Any, scores: Tensor, targets: Tensor) -> Tensor:
    """`torch.nn.KLDivLoss`, of targets that are probabilities."""
    total = (torch.xlogy(targets, targets) - targets * scores).sum()
    return total / (len(scores) if criterion.reduction == "batchmean" else scores.numel())


FORMULAS: dict[type[nn.Module], Formula] = {
    nn.CrossEntropyLoss: cross_entropy,
    nn.MultiMarginLoss: multi_margin,
    nn.HuberLoss: huber,
    nn.HingeEmbeddingLoss: hinge_embedding,
    nn.KLDivLoss: kl_div,
}
