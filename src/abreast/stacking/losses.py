"""The lanes' losses of a mini-batch: one batched operation where lanes share a common one, else lane by lane.

The batched forms give each lane the bits that its own loss gives, in value and gradient. Training needs the
gradients alone at once; the values are made for many steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import torch
from torch import Tensor, nn

from abreast.losses import Loss

MEAN, SUM = 1, 2  # torch's own numbers for a reduction
LEVEL = 16  # torch sums a batch's losses in groups of 16, to keep rounding small


class Part(Protocol):
    """Some neighbouring lanes' losses. What a step leaves for `values` is the part's own business."""

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The scores' gradient, of `[k, B, C]` and `[k, B]`, and what the losses are made of later."""

    def values(self, kept: Sequence[Tensor]) -> Tensor:
        """The losses `[S, k]` of the S steps that left these, of one batch size."""


class CrossEntropy:
    """Mean cross-entropy of class indices, nothing ignored or weighted."""

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps the log-probabilities of the labels, `[k, B]`."""
        logs = torch.log_softmax(scores, -1)
        places = targets[..., None]
        towards = torch.zeros_like(logs, memory_format=torch.contiguous_format)
        towards.scatter_(-1, places, -1 / targets.shape[1])
        found = torch._log_softmax_backward_data(towards, logs, -1, logs.dtype)
        return found, logs.gather(-1, places).squeeze(-1)

    def values(self, kept: Sequence[Tensor]) -> Tensor:
        """As torch adds them up."""
        logs = torch.stack(list(kept))
        rows = logs.shape[-1]
        if logs.device.type == "cpu" and _sums_as_torch(rows):
            return mean_of(logs)
        labels = torch.zeros(rows, dtype=torch.int64, device=logs.device)
        each = [_nll(own[:, None], labels) for own in logs.flatten(0, 1)]
        return torch.stack(each).view(logs.shape[:-1])


def mean_of(logs: Tensor) -> Tensor:
    """The mean of minus the last dimension, in the order of torch's negative log-likelihood on the CPU.

    `aten/src/ATen/native/LossNLL.cpp`: row b goes to the lowest of several sums, which is passed on to the
    next one when b is a multiple of 16, that one when b is a multiple of 16 squared, and so on.
    """
    rows = logs.shape[-1]
    sums = [logs.new_zeros(logs.shape[:-1]) for _ in range(8)]
    for b, each in enumerate(logs.movedim(-1, 0).contiguous()):
        sums[0] -= each
        for level in range(7):
            if b & ((LEVEL - 1) << (4 * level)):
                break
            sums[level + 1] += sums[level]
            sums[level].zero_()
    total = sums[0]
    for each in sums[1:]:
        total = total + each
    return total / rows


@cache
def _sums_as_torch(rows: int) -> bool:
    """Whether `mean_of` gives the bits of this torch's own for so many rows."""
    generator = torch.Generator().manual_seed(0)
    logs = -torch.rand(8, rows, generator=generator).exp()
    labels = torch.zeros(rows, dtype=torch.int64)
    return mean_of(logs).equal(torch.stack([_nll(own[:, None], labels) for own in logs]))


def _nll(logs: Tensor, labels: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.nll_loss_forward(logs, labels, None, MEAN, -100)[0]
    return found


class MeanSquare:
    """Mean squared error, of targets that `loss` makes."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps the losses `[k]`."""
        if self.loss.task == "classification":
            targets = self.loss._to_targets(targets, scores)
        mse = nn.functional.mse_loss
        each = [mse(own, y) for own, y in zip(scores.unbind(), targets.unbind(), strict=True)]
        share = scores.new_full((), 1 / scores[0].numel()).expand_as(scores)
        found: Tensor = torch.ops.aten.mse_loss_backward(share, scores, targets, SUM)
        return found, torch.stack(each)

    def values(self, kept: Sequence[Tensor]) -> Tensor:
        """They are there."""
        return torch.stack(list(kept))


class OneByOne:
    """Each lane's own loss under autograd."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.losses = losses

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps the losses `[k]`."""
        with torch.enable_grad():
            leaves = [own.detach().requires_grad_() for own in scores.unbind()]
            each = [loss(own, y) for loss, own, y in zip(self.losses, leaves, targets.unbind(), strict=True)]
        return torch.stack(torch.autograd.grad(each, leaves)), torch.stack([one.detach() for one in each])

    def values(self, kept: Sequence[Tensor]) -> Tensor:
        """They are there."""
        return torch.stack(list(kept))


class StackedLoss:
    """The lanes' `criteria` on `[K, B, C]` scores."""

    def __init__(self, criteria: Sequence[Loss]) -> None:
        self.parts: list[tuple[slice, Part]] = []
        start = 0
        kinds = [_kind(loss) for loss in criteria]
        while start < len(criteria):
            stop = start + 1
            while stop < len(criteria) and kinds[stop] == kinds[start]:
                stop += 1
            make, _ = kinds[start]
            self.parts.append((slice(start, stop), make(criteria[start:stop])))
            start = stop

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The gradient of scores `[K, B, C]` with targets `[K, B]` (regression: `[K, B, D]`), lane by lane.

        The second is for `values`, with that of other steps.
        """
        found = [part.gradient(scores[lanes], targets[lanes]) for lanes, part in self.parts]
        gradients = [gradient for gradient, _ in found]
        return gradients[0] if len(found) == 1 else torch.cat(gradients), [kept for _, kept in found]

    def values(self, kept: Sequence[list[Tensor]]) -> Tensor:
        """The losses `[S, K]` of the S steps that left these."""
        columns = []
        for number, (_, part) in enumerate(self.parts):
            runs: list[list[Tensor]] = []  # of one batch size
            for step in kept:
                if not runs or runs[-1][0].shape != step[number].shape:
                    runs.append([])
                runs[-1].append(step[number])
            columns.append(torch.cat([part.values(run) for run in runs]))
        return torch.cat(columns, 1)


def _cross_entropy(losses: Sequence[Loss]) -> Part:
    return CrossEntropy()


def _mean_square(losses: Sequence[Loss]) -> Part:
    return MeanSquare(losses[0])


def _kind(loss: Loss) -> tuple[Callable[[Sequence[Loss]], Part], str]:
    """What makes the loss's part, and what the losses of one part have in common besides."""
    criterion = loss.criterion
    if loss.scores == "logits" and type(criterion) is nn.CrossEntropyLoss:
        plain = criterion.weight is None and criterion.label_smoothing == 0 and not loss.ignores
        if plain and loss.targets == "index":
            return _cross_entropy, ""
    if loss.scores == "logits" and type(criterion) is nn.MSELoss and criterion.reduction == "mean":
        return _mean_square, loss.targets
    return OneByOne, ""
