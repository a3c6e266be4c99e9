"""Custom losses of lanes: each with the random numbers of its own run, and a state of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abreast.losses import Loss
from abreast.stacking.random_numbers import LaneRandom


class CustomLosses:
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

    def values(self, saved: Sequence[Tensor]) -> Tensor:
        """The saved losses."""
        return torch.stack(list(saved))
