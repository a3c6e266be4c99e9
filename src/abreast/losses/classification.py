"""Criteria on the probability of the true class. Each is a mean over the batch.

``log_probs`` is the log-softmax of the scores, ``[B, C]``; targets are int64 class indices ``[B]``;
p_y is the probability of the true class. Everything is computed from log p_y, so that values and
gradients stay finite where p_y rounds to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from abreast.errors import ConfigError
from abreast.losses.settings import constant


def of_class(scores: Tensor, targets: Tensor) -> Tensor:
    """The score of each example's class: ``[B, C]`` and ``[B]`` -> ``[B]``."""
    return scores.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


class Focal(nn.Module):
    """Focal loss, ``-alpha_y (1 - p_y)^gamma log p_y``.

    The mean is over examples, not over their weights.
    Source: Lin et al. 2017, arXiv 1708.02002, equation 5, in its softmax form.

    Args:
        gamma: Focusing exponent; 0 is cross-entropy.
        alpha: One weight for each class; None: 1.

    Raises:
        ConfigError: For other constants.

    >>> log_probs = torch.tensor([[0.5, 0.5]]).log()
    >>> round(Focal(gamma=2.0)(log_probs, torch.tensor([0])).item(), 4)  # 0.5^2 log 2
    0.1733
    """

    alpha: Tensor | None  # [C]

    def __init__(
        self,
        gamma: Annotated[float, Ge(0)] = 2.0,
        alpha: Sequence[Annotated[float, Ge(0)]] | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.gamma = constant(self, "gamma", gamma)
        if alpha is not None and not isinstance(alpha, Tensor):
            if isinstance(alpha, (str, int, float)):
                raise ConfigError(f"Focal's alpha is {alpha!r}: it must be a list, one number >= 0 a class")
            alpha = torch.tensor([constant(self, "alpha", weight) for weight in alpha])
        self.register_buffer("alpha", alpha)

    def forward(self, log_probs: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        log_p = of_class(log_probs, targets)
        # (1 - p)^gamma has an infinite slope at p = 1 when gamma < 1: keep 1 - p off 0.
        rest = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        loss = -(rest**self.gamma) * log_p
        if self.alpha is not None:
            loss = self.alpha[targets] * loss
        return loss.mean()


class Poly1(nn.Module):
    """Poly-1 cross-entropy, ``-log p_y + epsilon (1 - p_y)``.

    Source: Leng et al. 2022, arXiv 2204.12511 (PolyLoss).

    Args:
        epsilon: Coefficient of the first-order term; 0 is cross-entropy.

    Raises:
        ConfigError: For an epsilon below -1.
    """

    def __init__(self, epsilon: Annotated[float, Ge(-1)] = 1.0) -> None:
        super().__init__()
        self.epsilon = constant(self, "epsilon", epsilon)

    def forward(self, log_probs: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        log_p = of_class(log_probs, targets)
        return (-log_p - self.epsilon * torch.expm1(log_p)).mean()


class GeneralizedCrossEntropy(nn.Module):
    """Generalized cross-entropy, ``(1 - p_y^q) / q``, without truncation.

    Source: Zhang & Sabuncu 2018, arXiv 1805.07836 (L_q).

    Args:
        q: Cross-entropy is the limit as q -> 0; ``1 - p_y`` is q = 1.

    Raises:
        ConfigError: For a q outside (0, 1].
    """

    def __init__(self, q: Annotated[float, Gt(0), Le(1)] = 0.7) -> None:
        super().__init__()
        self.q = constant(self, "q", q)

    def forward(self, log_probs: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        # p^q has an infinite slope at p = 0; exp(q log p) has none.
        return (-torch.expm1(self.q * of_class(log_probs, targets)) / self.q).mean()


class LogSquared(nn.Module):
    """Squared log loss, ``sum_j (y_j log p_j)^2 = (log p_y)^2``.

    The paper prints a minus sign before the sum. With it the loss is unbounded below and rewards errors, so
    it is left out here.
    Source: Janocha & Czarnecki 2017, arXiv 1702.05659, table 1 (log^2).
    """

    def forward(self, log_probs: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        return of_class(log_probs, targets).square().mean()


class Squentropy(nn.Module):
    """Squentropy, ``-log p_y + sum_{j != y} f_j^2 / (C - 1)``: the wrong scores are pulled to 0 as well.

    Takes the raw scores f, since both terms need them.
    Source: Hui, Belkin & Wright 2023, arXiv 2302.03952.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Raw scores ``[B, C]``, C >= 2, and class indices ``[B]`` -> 0-d mean."""
        wrong = logits.scatter(-1, targets.unsqueeze(-1), 0.0)
        square = wrong.square().sum(-1).mean() / (logits.shape[-1] - 1)
        return F.cross_entropy(logits, targets) + square
