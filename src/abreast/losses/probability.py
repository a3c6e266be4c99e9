"""Criteria that compare probabilities with a one-hot target. Each is a mean over the batch.

``probs`` p is the softmax of the scores, ``[B, C]``; the one-hot target y is ``[B, C]``.
Source of all: Janocha & Czarnecki 2017, arXiv 1702.05659, table 1.
"""

from __future__ import annotations

from torch import Tensor, nn

from abreast.losses.classification import of_class


class L1Probs(nn.Module):
    """Expectation loss, ``sum_j |y_j - p_j| = 2 (1 - p_y)``. In [0, 2]."""

    def forward(self, probs: Tensor, targets: Tensor) -> Tensor:
        """Probabilities and one-hot targets, both ``[B, C]`` -> 0-d mean."""
        return (targets - probs).abs().sum(-1).mean()


class L2Probs(nn.Module):
    """Regularised expectation loss, ``sum_j (y_j - p_j)^2``: the multi-class Brier score. In [0, 2]."""

    def forward(self, probs: Tensor, targets: Tensor) -> Tensor:
        """Probabilities and one-hot targets, both ``[B, C]`` -> 0-d mean."""
        return (targets - probs).square().sum(-1).mean()


class Chebyshev(nn.Module):
    """Chebyshev loss, ``max_j |p_j - y_j|``. In [0, 1]; with a one-hot target it equals ``1 - p_y``."""

    def forward(self, probs: Tensor, targets: Tensor) -> Tensor:
        """Probabilities and one-hot targets, both ``[B, C]`` -> 0-d mean."""
        return (targets - probs).abs().amax(-1).mean()


class Tanimoto(nn.Module):
    """Tanimoto loss, ``-<p, y> / (|p|^2 + |y|^2 - <p, y>)``. In [-1, 0]; the denominator is at least 3/4."""

    def forward(self, probs: Tensor, targets: Tensor) -> Tensor:
        """Probabilities and one-hot targets, both ``[B, C]`` -> 0-d mean."""
        shared = (probs * targets).sum(-1)
        return -(shared / (probs.square().sum(-1) + targets.square().sum(-1) - shared)).mean()


class CauchySchwarz(nn.Module):
    """Cauchy-Schwarz divergence, ``-log(<p, y> / (|p| |y|)) = log |p| - log p_y``. At least 0.

    Takes log-softmax and class indices: where p_y rounds to 0 its logarithm is still finite.
    """

    def forward(self, log_probs: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        return (0.5 * (2.0 * log_probs).logsumexp(-1) - of_class(log_probs, targets)).mean()
