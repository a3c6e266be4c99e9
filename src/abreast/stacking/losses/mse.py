"""Mean squared error of many lanes, bitwise equal to each lane's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abreast.losses import TARGETS, Loss
from abreast.stacking.losses.criterion import StackedCriterion

SUM = 2  # torch's number for a reduction


class StackedMSE(StackedCriterion):
    """Mean squared error, for targets that `loss` makes of the labels."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Saves the losses `[k]`."""
        if self.loss.task == "classification":
            targets = TARGETS[self.loss.targets](targets, scores)
        grad_loss = scores.new_full((), 1 / scores[0].numel()).expand_as(scores)
        grad: Tensor = torch.ops.aten.mse_loss_backward(grad_loss, scores, targets, SUM)
        if scores.device.type != "cpu":
            return grad, (scores - targets).square().flatten(1).mean(1)
        mse = nn.functional.mse_loss
        losses = [mse(lane, y) for lane, y in zip(scores.unbind(), targets.unbind(), strict=True)]
        return grad, torch.stack(losses)
