"""The lanes' losses of a mini-batch: batched where lanes share a common loss, else lane by lane.

On the CPU the batched forms are bitwise equal to each lane's loss, in value and gradient; on other devices
within rounding. A step needs the gradients at once; the values are computed for many steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from abreast.losses import Loss
from abreast.stacking.batched_losses import DeviceLosses, structure
from abreast.stacking.cross_entropy import StackedCrossEntropy
from abreast.stacking.custom_losses import CustomLosses
from abreast.stacking.random_numbers import LaneRandom, is_custom_module

SUM = 2  # torch's number for a reduction
CUSTOM = "custom"  # of a loss that may draw random numbers


class StackedCriterion(Protocol):
    """The loss of k neighbouring lanes."""

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of scores `[k, B, C]` with targets `[k, B]`, and what `values` needs of the step."""

    def values(self, saved: Sequence[Tensor]) -> Tensor:
        """The losses `[S, k]` of S steps of one batch size, from what `gradient` returned for `values`."""


class StackedMSE:
    """Mean squared error, for targets that `loss` makes of the labels."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the losses `[k]`."""
        if self.loss.task == "classification":
            targets = self.loss._to_targets(targets, scores)
        grad_loss = scores.new_full((), 1 / scores[0].numel()).expand_as(scores)
        grad: Tensor = torch.ops.aten.mse_loss_backward(grad_loss, scores, targets, SUM)
        if scores.device.type != "cpu":
            return grad, (scores - targets).square().flatten(1).mean(1)
        mse = nn.functional.mse_loss
        losses = [mse(lane, y) for lane, y in zip(scores.unbind(), targets.unbind(), strict=True)]
        return grad, torch.stack(losses)

    def values(self, saved: Sequence[Tensor]) -> Tensor:
        """The saved losses."""
        return torch.stack(list(saved))


class LaneByLane:
    """Each lane's loss, differentiated by autograd.

    Args:
        losses: The losses of neighbouring lanes.
        first: Position of the first one among the chunk's lanes.
        errors: Takes what the losses of lanes raise, by lane, whose loss and gradient are 0 from then on.
    """

    def __init__(self, losses: Sequence[Loss], first: int, errors: dict[int, Exception]) -> None:
        self.losses = losses
        self.first = first
        self.errors = errors

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the losses `[k]`."""
        leaves, losses = self._losses(scores, targets)
        try:
            gradients: Sequence[Tensor] = torch.autograd.grad(losses, leaves)
        except Exception:  # of which lane is not known
            leaves, losses = self._losses(scores, targets)
            lanes = zip(losses, leaves, strict=True)
            gradients = [
                self._lane_gradient(lane, *pair) for lane, pair in enumerate(lanes, start=self.first)
            ]
        return torch.stack([*gradients]), torch.stack(
            [loss.detach() if loss.ndim == 0 else loss.new_zeros(()) for loss in losses]
        )

    @torch.enable_grad()
    def _losses(self, scores: Tensor, targets: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The scores as leaves of the graph, and the loss of each."""
        leaves = [lane.detach().requires_grad_() for lane in scores.unbind()]
        losses = []
        for lane, (loss, leaf, y) in enumerate(
            zip(self.losses, leaves, targets.unbind(), strict=True), start=self.first
        ):
            try:
                value = leaf.sum() * 0 if lane in self.errors else loss(leaf, y)
            except Exception as error:
                self.errors[lane] = error
                value = leaf.sum() * 0
            losses.append(value)
        return leaves, losses

    def _lane_gradient(self, lane: int, loss: Tensor, leaf: Tensor) -> Tensor:
        try:
            return torch.autograd.grad(loss, leaf)[0]
        except Exception as error:
            self.errors[lane] = error
            return torch.zeros_like(leaf)

    def values(self, saved: Sequence[Tensor]) -> Tensor:
        """The saved losses."""
        return torch.stack(list(saved))


class StackedLoss:
    """The losses of K lanes, on scores `[K, B, C]`.

    Args:
        losses: The lanes' losses.
        randoms: The lanes' random numbers, which custom losses draw from.
        on_device: Whether another device than the CPU computes them.

    Attributes:
        errors: What the losses of lanes have raised, by lane.
    """

    def __init__(
        self, losses: Sequence[Loss], randoms: Sequence[LaneRandom], *, on_device: bool = False
    ) -> None:
        self.errors: dict[int, Exception] = {}
        self.parts: list[tuple[slice, StackedCriterion]] = []
        start = 0
        kinds = [_kind(loss, on_device) for loss in losses]
        while start < len(losses):
            stop = start + 1
            while stop < len(losses) and kinds[stop] == kinds[start]:
                stop += 1
            make, text = kinds[start]
            lanes = slice(start, stop)
            part: StackedCriterion
            if make is not None:
                part = make(losses[lanes])
            elif text == CUSTOM:
                part = CustomLosses(losses[lanes], randoms[lanes], start, self.errors)
            elif on_device and stop - start > 1:
                part = DeviceLosses(losses[lanes], partial(self._individually, losses[lanes], start))
            else:
                part = LaneByLane(losses[lanes], start, self.errors)
            self.parts.append((lanes, part))
            start = stop

    def _individually(self, losses: Sequence[Loss], first: int, lanes: slice) -> LaneByLane:
        return LaneByLane(losses[lanes], first + lanes.start, self.errors)

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The gradient of the scores, and what `values` needs of the step.

        Args:
            scores: `[K, B, C]`.
            targets: Labels `[K, B]`, in regression `[K, B, D]`.
        """
        results = [part.gradient(scores[lanes], targets[lanes]) for lanes, part in self.parts]
        gradients = [gradient for gradient, _ in results]
        return gradients[0] if len(results) == 1 else torch.cat(gradients), [saved for _, saved in results]

    def values(self, saved: Sequence[list[Tensor]]) -> Tensor:
        """The losses `[S, K]` of S steps, from what `gradient` returned for each."""
        columns = []
        for number, (_, part) in enumerate(self.parts):
            by_batch_size: list[list[Tensor]] = []
            for step in saved:
                if not by_batch_size or by_batch_size[-1][0].shape != step[number].shape:
                    by_batch_size.append([])
                by_batch_size[-1].append(step[number])
            columns.append(torch.cat([part.values(steps) for steps in by_batch_size]))
        return torch.cat(columns, 1)


def _cross_entropy(losses: Sequence[Loss]) -> StackedCriterion:
    return StackedCrossEntropy()


def _mse(losses: Sequence[Loss]) -> StackedCriterion:
    return StackedMSE(losses[0])


def _kind(
    loss: Loss, on_device: bool
) -> tuple[Callable[[Sequence[Loss]], StackedCriterion] | None, Hashable]:
    """What batches the loss, or None; and what is equal for the losses that are computed together."""
    criterion = loss.criterion
    is_usual = not loss.mixed and loss.scores == "logits"
    if is_usual and type(criterion) is nn.CrossEntropyLoss:
        is_simple = criterion.weight is None and criterion.label_smoothing == 0 and not loss.ignores
        if is_simple and loss.targets == "index":
            return _cross_entropy, ""
    if is_usual and type(criterion) is nn.MSELoss and criterion.reduction == "mean":
        return _mse, loss.targets
    if is_custom_module(loss):
        return None, CUSTOM
    return None, structure(loss) if on_device else ""
