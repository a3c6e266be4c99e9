"""The lanes' losses of a mini-batch: one batched operation where lanes share a common one, else lane by lane.

The batched forms give each lane the bits that its own loss gives, in value and gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from abreast.losses import Loss

MEAN, SUM = 1, 2  # torch's own numbers for a reduction


class _CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of each lane: scores `[K, B, C]`, labels `[K, B]` to `[K]`."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor) -> Tensor:
        logs = torch.log_softmax(scores, -1)
        ctx.save_for_backward(logs, labels)
        nll = torch.ops.aten.nll_loss_forward
        return torch.stack(
            [nll(own, y, None, MEAN, -100)[0] for own, y in zip(logs.unbind(), labels.unbind(), strict=True)]
        )

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logs, labels = ctx.saved_tensors
        towards = torch.zeros_like(logs)
        share = (-grad / labels.shape[1])[:, None, None].expand(*labels.shape, 1)
        towards.scatter_(-1, labels[..., None], share)
        return torch._log_softmax_backward_data(towards, logs, -1, logs.dtype), None


class _MeanSquare(torch.autograd.Function):
    """Mean squared error of each lane: scores and targets `[K, B, D]` to `[K]`."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(scores, targets)
        mse = nn.functional.mse_loss
        return torch.stack([mse(own, y) for own, y in zip(scores.unbind(), targets.unbind(), strict=True)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        scores, targets = ctx.saved_tensors
        share = (grad / scores[0].numel())[:, None, None]
        return torch.ops.aten.mse_loss_backward(share.expand_as(scores), scores, targets, SUM), None


class StackedLoss:
    """The lanes' `criteria` on `[K, B, C]` scores."""

    def __init__(self, criteria: Sequence[Loss]) -> None:
        self.criteria = criteria
        self.parts: list[tuple[slice, Any]] = []
        start = 0
        kinds = [_kind(loss) for loss in criteria]
        while start < len(criteria):
            stop = start + 1
            while kinds[start] is not None and stop < len(criteria) and kinds[stop] is kinds[start]:
                stop += 1
            self.parts.append((slice(start, stop), kinds[start] if stop > start + 1 else None))
            start = stop

    def __call__(self, scores: Tensor, targets: Tensor) -> list[Tensor]:
        """The losses in parts `[n]` of scores `[K, B, C]` and targets `[K, B]` (regression: `[K, B, D]`)."""
        found: list[Tensor] = []
        for lanes, kind in self.parts:
            if kind is None:
                loss = self.criteria[lanes.start]
                found.append(loss(scores[lanes.start], targets[lanes.start])[None])
                continue
            own, wanted = scores[lanes], targets[lanes]
            if kind is _MeanSquare:
                loss = self.criteria[lanes.start]
                wanted = wanted if loss.task == "regression" else loss._to_targets(wanted, own)
            found.append(kind.apply(own, wanted))
        return found


def _kind(loss: Loss) -> Any:
    """The batched form of a loss, if it has one."""
    criterion = loss.criterion
    if type(criterion) is nn.CrossEntropyLoss and loss.targets == "index" and not loss.ignores:
        plain = criterion.weight is None and criterion.label_smoothing == 0
        return _CrossEntropy if plain else None
    if type(criterion) is nn.MSELoss and loss.scores == "logits" and criterion.reduction == "mean":
        return _MeanSquare
    return None
