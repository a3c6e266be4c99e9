"""Criteria that wrong labels mislead less than they mislead cross-entropy. Each is a mean over the batch."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le, Lt
from torch import Tensor, nn

from abreast.losses.classification import of_class
from abreast.losses.settings import constant

NEWTON_STEPS = 12  # from the largest score; 8 reach float64's precision for any C up to 1000 and t2 up to 4


class SymmetricCrossEntropy(nn.Module):
    """Symmetric cross-entropy, ``-alpha log p_y - beta A (1 - p_y)``: cross-entropy and its reverse.

    The reverse is ``-sum_j p_j log y_j`` with log 0 set to A.
    Source: Wang et al. 2019, arXiv 1908.06112, with the constants of its CIFAR-10.

    Args:
        alpha: Weight of cross-entropy.
        beta: Weight of reverse cross-entropy.
        log_zero: A, what stands for the logarithm of 0.

    Raises:
        ConfigError: For other constants.

    >>> log_probs = torch.tensor([[0.5, 0.5]]).log()  # 0.1 log 2 + 4 / 2
    >>> round(SymmetricCrossEntropy()(log_probs, torch.tensor([0])).item(), 4)
    2.0693
    """

    def __init__(
        self,
        alpha: Annotated[float, Ge(0)] = 0.1,
        beta: Annotated[float, Ge(0)] = 1.0,
        log_zero: Annotated[float, Lt(0)] = -4.0,
    ) -> None:
        super().__init__()
        self.alpha = constant(self, "alpha", alpha)
        self.beta = constant(self, "beta", beta)
        self.log_zero = constant(self, "log_zero", log_zero)

    def forward(self, log_probs: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        log_p = of_class(log_probs, targets)
        return (self.beta * self.log_zero * torch.expm1(log_p) - self.alpha * log_p).mean()


class BiTempered(nn.Module):
    """Bi-tempered logistic loss, ``-log_t1 p_y - (1 - sum_j p_j^(2 - t1)) / (2 - t1)``, p a tempered softmax.

    ``log_t x = (x^(1 - t) - 1) / (1 - t)``; its inverse is ``exp_t x = max(0, 1 + (1 - t) x)^(1 / (1 - t))``.
    ``p_j = exp_t2(o_j - lambda)``, with the lambda for which they add up to 1. A t1 below 1 bounds the loss
    of a far outlier; a t2 above 1 gives the probabilities heavy tails. Both at 1: cross-entropy.
    Source: Amid et al. 2019, arXiv 1906.03361.

    Args:
        t1: Temperature of the logarithm.
        t2: Temperature of the softmax.

    Raises:
        ConfigError: For other constants.

    >>> value = BiTempered(t1=0.5, t2=2.0)(torch.zeros(1, 4), torch.tensor([0]))  # p = 1/4
    >>> round(value.item(), 4)  # 2 (1 - 1/2) - (1 - 4 (1/4)^1.5) / 1.5
    0.6667
    """

    def __init__(self, t1: Annotated[float, Ge(0), Le(1)] = 0.8, t2: Annotated[float, Ge(1)] = 1.2) -> None:
        super().__init__()
        self.t1 = constant(self, "t1", t1)
        self.t2 = constant(self, "t2", t2)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Raw scores ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        log_probs = tempered_log_softmax(logits, self.t2)
        log_p = of_class(log_probs, targets)
        rest = 1 - self.t1
        loss = -log_p if rest == 0 else -torch.expm1(rest * log_p) / rest
        return (loss - (1 - ((1 + rest) * log_probs).exp().sum(-1)) / (1 + rest)).mean()


def tempered_log_softmax(logits: Tensor, t: float) -> Tensor:
    """Logarithms of ``exp_t(o_j - lambda)``, which add up to 1 over the classes.

    Args:
        logits: Raw scores, ``[B, C]``.
        t: The temperature, at least 1.
    """
    if t == 1:
        return logits.log_softmax(-1)
    tail = t - 1
    shifted = logits - logits.detach().amax(-1, keepdim=True)

    def log_terms(normalizer: Tensor) -> Tensor:
        return -torch.log1p(tail * (normalizer - shifted)) / tail

    with torch.no_grad():
        # (sum_j exp_t(o_j - x))^(1 - t) is concave and rises in x, and is nearly a line: Newton's steps from
        # the largest score come near the solution from below.
        normalizer = torch.zeros_like(shifted[..., :1])
        for _ in range(NEWTON_STEPS):
            terms = log_terms(normalizer)
            log_sum = terms.logsumexp(-1, keepdim=True)
            slope = (t * terms - t * log_sum).logsumexp(-1, keepdim=True).exp()
            normalizer = normalizer + -torch.expm1(-tail * log_sum) / (tail * slope)
    # One more step, of the sum itself: its gradient is that of the solution, p_k^t / sum_j p_j^t.
    terms = log_terms(normalizer)
    normalizer = normalizer + (terms.exp().sum(-1, keepdim=True) - 1) / (t * terms.detach()).exp().sum(
        -1, keepdim=True
    )
    return log_terms(normalizer)
