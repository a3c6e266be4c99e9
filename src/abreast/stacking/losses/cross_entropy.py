"""Mean cross-entropy of many lanes, bitwise equal to each lane's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from abreast.stacking.losses.criterion import StackedCriterion

MEAN = 1  # torch's number for a reduction
VECTOR = 16  # float32 values that the widest vector of a CPU holds
LEVEL = 16  # torch sums a batch's losses in groups of 16, to keep rounding small


class StackedCrossEntropy(StackedCriterion):
    """Mean cross-entropy of class indices, without weights or ignored labels."""

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the log-probabilities of the labels, `[k, B]`."""
        by_class = scores.device.type == "cpu" and exact_by_class(*scores.shape[1:])
        return (_gradient_by_class if by_class else _gradient)(scores, targets)

    def values(self, saved: Sequence[Tensor]) -> Tensor:
        """Summed in torch's order."""
        logs = torch.stack(list(saved))
        examples = logs.shape[-1]
        if logs.device.type != "cpu":  # where a batched loss rounds in its own way already
            return -logs.mean(-1)
        if _sums_as_torch(examples):
            return negative_mean(logs)
        labels = torch.zeros(examples, dtype=torch.int64, device=logs.device)
        losses = [_nll(lane_logs[:, None], labels) for lane_logs in logs.flatten(0, 1)]
        return torch.stack(losses).view(logs.shape[:-1])


def _gradient(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the mean cross-entropy, and the log-probabilities of the labels."""
    logs = torch.log_softmax(scores, -1)
    labels = targets[..., None]
    grad_logs = torch.zeros_like(logs, memory_format=torch.contiguous_format)
    grad_logs.scatter_(-1, labels, -1 / targets.shape[1])
    grad = torch._log_softmax_backward_data(grad_logs, logs, -1, logs.dtype)
    return grad, logs.gather(-1, labels).squeeze(-1)


def _gradient_by_class(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """As `_gradient`, with the examples of a class side by side: a vector of the CPU holds as many of them.

    With few classes this takes a fifth of the time. The examples are filled up to whole vectors.
    """
    lanes, examples, classes = scores.shape
    filled = scores.new_zeros(lanes, classes, math.ceil(examples / VECTOR) * VECTOR)
    filled[..., :examples] = scores.transpose(1, 2)
    logs = torch.log_softmax(filled, 1)
    labels = targets[:, None]
    grad_logs = torch.zeros_like(logs).scatter_(1, labels, -1 / examples)
    grad = torch._log_softmax_backward_data(grad_logs, logs, 1, logs.dtype)
    return grad[..., :examples].transpose(1, 2).contiguous(), logs.gather(1, labels).squeeze(1)


@cache
def exact_by_class(examples: int, classes: int) -> bool:
    """Whether `_gradient_by_class` is bitwise equal to `_gradient` on this CPU: if both add in one order."""
    if classes >= VECTOR:
        return False
    generator = torch.Generator().manual_seed(0)
    shape = (max(2, 256 // examples), examples)
    scores = torch.randn(*shape, classes, generator=generator)
    scores *= 10.0 ** torch.randint(-1, 3, (*shape, 1), generator=generator)
    targets = torch.randint(classes, shape, generator=generator)
    both = zip(_gradient(scores, targets), _gradient_by_class(scores, targets), strict=True)
    return all(torch.equal(one, other) for one, other in both)


def negative_mean(logs: Tensor) -> Tensor:
    """Minus the mean over the last dimension, summed as torch's negative log-likelihood sums on the CPU.

    `aten/src/ATen/native/LossNLL.cpp`: example b is added to the lowest of several sums, which is added to
    the next one when b is a multiple of 16, that one when b is a multiple of 16 squared, and so on.
    """
    examples = logs.shape[-1]
    sums = [logs.new_zeros(logs.shape[:-1]) for _ in range(8)]
    for b, log in enumerate(logs.movedim(-1, 0).contiguous()):
        sums[0] -= log
        for level in range(7):
            if b & ((LEVEL - 1) << (4 * level)):
                break
            sums[level + 1] += sums[level]
            sums[level].zero_()
    total = sums[0]
    for partial_sum in sums[1:]:
        total = total + partial_sum
    return total / examples


@cache
def _sums_as_torch(examples: int) -> bool:
    """Whether `negative_mean` is bitwise equal to this version of torch for so many examples."""
    generator = torch.Generator().manual_seed(0)
    logs = -torch.rand(8, examples, generator=generator).exp()
    labels = torch.zeros(examples, dtype=torch.int64)
    return negative_mean(logs).equal(torch.stack([_nll(row[:, None], labels) for row in logs]))


def _nll(logs: Tensor, labels: Tensor) -> Tensor:
    loss: Tensor = torch.ops.aten.nll_loss_forward(logs, labels, None, MEAN, -100)[0]
    return loss
