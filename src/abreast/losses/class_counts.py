"""Criteria that weigh how often each class occurs. Each is a mean over the batch.

Scores o are raw, ``[B, C]``; targets are int64 class indices ``[B]``; n_j is the number of training examples
of class j, which the run counts in its training split. The counts are a buffer: a checkpoint holds them, and
a test on other data uses those of the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from abreast.errors import ConfigError
from abreast.losses.settings import constant


def count_tensor(owner: nn.Module, class_counts: Sequence[int] | Tensor | None) -> Tensor | None:
    """Class counts as int64 ``[C]``; ConfigError unless all are whole numbers of at least 1."""
    if class_counts is None:
        return None
    name = type(owner).__name__
    if isinstance(class_counts, (str, int, float)):
        raise ConfigError(f"{name}'s class_counts is {class_counts!r}: it must be a list, one number a class")
    values = class_counts.tolist() if isinstance(class_counts, Tensor) else list(class_counts)
    for label, count in enumerate(values):
        if isinstance(count, bool) or count != int(count) or count < 0:
            raise ConfigError(
                f"{name}'s class_counts holds {count!r}: counts are whole numbers of at least 1"
            )
        if count == 0:
            raise ConfigError(
                f"{name} divides by the number of training examples of each class, and class {label} has "
                "none. Choose another loss, such as cross_entropy, or a split that trains on every class"
            )
    return torch.tensor(values, dtype=torch.int64)


class LogitAdjusted(nn.Module):
    """Logit-adjusted cross-entropy: cross-entropy of ``o_j + tau log pi_j``, with ``pi_j = n_j / sum_k n_k``.

    The prediction is made of the scores themselves: the adjustment asks for a larger margin for rare classes.
    With tau = 1 it is the balanced softmax, ``-log(n_y e^(o_y) / sum_j n_j e^(o_j))``.
    Source: Menon et al. 2021, arXiv 2007.07314, equation 10; Ren et al. 2020, arXiv 2007.10740.

    Args:
        tau: Strength; 0 is cross-entropy.
        class_counts: Training examples of each class; None: equally many.

    Raises:
        ConfigError: For other constants, and for a class without examples.

    >>> criterion = LogitAdjusted(class_counts=[3, 1])  # -log(3 / (3 + 1))
    >>> round(criterion(torch.zeros(1, 2), torch.tensor([0])).item(), 4)
    0.2877
    """

    class_counts: Tensor | None  # int64 [C]

    def __init__(
        self,
        tau: Annotated[float, Ge(0)] = 1.0,
        class_counts: Sequence[Annotated[int, Ge(1)]] | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.tau = constant(self, "tau", tau)
        self.register_buffer("class_counts", count_tensor(self, class_counts))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Raw scores ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        if self.class_counts is not None:
            counts = self.class_counts.to(logits.dtype)
            logits = logits + self.tau * (counts / counts.sum()).log()
        return F.cross_entropy(logits, targets)


class LDAM(nn.Module):
    """Label-distribution-aware margin loss: cross-entropy with ``o_y - Delta_y`` in place of ``o_y``.

    ``Delta_j = max_margin (min_k n_k / n_j)^(1/4)``: the rarest class has the largest margin.
    Source: Cao et al. 2019, arXiv 1906.07413, equations 12 and 13.

    Args:
        max_margin: The margin of the rarest class, in units of the scores.
        scale: Factor of the scores less their margin; the authors' code has 30, on cosines.
        class_counts: Training examples of each class; None: equally many.

    Raises:
        ConfigError: For other constants, and for a class without examples.

    >>> criterion = LDAM(class_counts=[16, 1])  # a margin of 0.5 (1/16)^(1/4) = 0.25
    >>> round(criterion(torch.tensor([[0.25, 0.0]]), torch.tensor([0])).item(), 4)  # log 2
    0.6931
    """

    class_counts: Tensor | None  # int64 [C]

    def __init__(
        self,
        max_margin: Annotated[float, Ge(0)] = 0.5,
        scale: Annotated[float, Gt(0)] = 1.0,
        class_counts: Sequence[Annotated[int, Ge(1)]] | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.max_margin = constant(self, "max_margin", max_margin)
        self.scale = constant(self, "scale", scale)
        self.register_buffer("class_counts", count_tensor(self, class_counts))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Raw scores ``[B, C]`` and class indices ``[B]`` -> 0-d mean."""
        margins = self.max_margin * logits.new_ones(logits.shape[-1:])
        if self.class_counts is not None:
            counts = self.class_counts.to(logits.dtype)
            margins = self.max_margin * (counts.min() / counts) ** 0.25
        of_label = torch.zeros_like(logits).scatter(-1, targets.unsqueeze(-1), 1.0)
        return F.cross_entropy(self.scale * (logits - of_label * margins), targets)
