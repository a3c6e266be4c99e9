"""The losses of lanes, each computed by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abreast.losses import Loss
from abreast.stacking.losses.criterion import StackedCriterion
from abreast.stacking.random_numbers import LaneRandom


class LaneByLane(StackedCriterion):
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


class CustomLosses(StackedCriterion):
    """The losses of neighbouring lanes, one after the other, as their individual runs compute them.

    Args:
        losses: The lanes' losses.
        randoms: The lanes' random numbers.
        first: Position of the first lane.
        errors: What losses have raised, by lane; new ones are added, and their lanes have the loss 0.
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        randoms: Sequence[LaneRandom],
        first: int,
        errors: dict[int, Exception],
    ) -> None:
        self.lanes = [*zip(range(first, first + len(losses)), losses, randoms, strict=True)]
        self.errors = errors

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the losses `[k]`."""
        gradients, losses = [], []
        for (lane, loss, numbers), lane_scores, labels in zip(self.lanes, scores, targets, strict=True):
            leaf = lane_scores.detach().requires_grad_()
            gradient, value = torch.zeros_like(leaf), leaf.new_zeros(())
            if lane not in self.errors:
                try:
                    with numbers.as_global(), torch.enable_grad():
                        result = loss(leaf, labels)
                        (gradient,) = torch.autograd.grad(result, leaf)
                    value = result.detach()
                except Exception as error:
                    self.errors[lane] = error
            gradients.append(gradient)
            losses.append(value)
        return torch.stack(gradients), torch.stack(losses)
