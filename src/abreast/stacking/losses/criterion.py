"""What computes the losses of some lanes of a stack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class StackedCriterion(ABC):
    """The loss of k neighbouring lanes.

    A step needs the gradient at once; the values are computed for many steps together.
    """

    @abstractmethod
    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of the loss by the scores, and what `values` needs of the step.

        Args:
            scores: `[k, B, C]`.
            targets: Labels `[k, B]`, in regression `[k, B, D]`.

        Returns:
            The gradient, and the losses `[k]` unless `values` is overridden.
        """

    def values(self, saved: Sequence[Tensor]) -> Tensor:
        """The losses `[S, k]` of S steps of one batch size, from what `gradient` returned for `values`."""
        return torch.stack(list(saved))
