"""The asymmetric loss: each class against the rest, with less weight for easy negatives."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Lt
from torch import Tensor, nn

from abreast.losses.settings import constant


class Asymmetric(nn.Module):
    """Asymmetric loss, ``-(1 - s)^gamma_pos log s`` of the true class, ``-q^gamma_neg log(1 - q)`` of others.

    s is the sigmoid of a class's score, and ``q = max(0, s - shift)``: a negative of a probability below the
    shift does not count at all. Summed over the classes.
    Source: Ridnik et al. 2021, arXiv 2009.14119, with the constants of its MS-COCO.

    Args:
        gamma_pos: Focusing exponent of the true class.
        gamma_neg: Focusing exponent of the others.
        shift: The probability below which a negative does not count.

    Raises:
        ConfigError: For other constants.

    >>> logits, targets = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    >>> round(Asymmetric(gamma_neg=2.0, shift=0.1)(logits, targets).item(), 4)  # log 2 - 0.16 log 0.6
    0.7749
    """

    def __init__(
        self,
        gamma_pos: Annotated[float, Ge(0)] = 0.0,
        gamma_neg: Annotated[float, Ge(0)] = 4.0,
        shift: Annotated[float, Ge(0), Lt(1)] = 0.05,
    ) -> None:
        super().__init__()
        self.gamma_pos = constant(self, "gamma_pos", gamma_pos)
        self.gamma_neg = constant(self, "gamma_neg", gamma_neg)
        self.shift = constant(self, "shift", shift)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Raw scores and one-hot targets, both ``[B, C]`` -> 0-d mean of the examples' sums."""
        # s^gamma has an infinite slope at s = 0 when gamma < 1: keep its base off 0.
        info = torch.finfo(logits.dtype)
        probs, rest = torch.sigmoid(logits), torch.sigmoid(-logits)
        positive = rest.clamp(min=info.tiny) ** self.gamma_pos * F.logsigmoid(logits)
        shifted = (probs - self.shift).clamp(min=info.tiny)
        # A shift that rounding loses leaves 1 - s itself, whose logarithm needs s in full.
        log_rest = F.logsigmoid(-logits) if self.shift < info.eps else torch.log1p(-shifted)
        negative = shifted**self.gamma_neg * log_rest
        return -torch.where(targets > 0.5, positive, negative).sum(-1).mean()
