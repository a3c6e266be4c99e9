"""Criteria on the margin of raw scores. Each is a mean over the batch."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor, nn

from abreast.losses.settings import constant


class OneVsRestHinge(nn.Module):
    """One-against-rest hinge to a power, ``sum_j max(0, margin - y_j o_j)^power``, y in {-1, +1}.

    Source: Janocha & Czarnecki 2017, arXiv 1702.05659, table 1 (hinge, hinge^2, hinge^3; margin 1/2).

    Args:
        power: 1, 2 and 3 are the hinge, squared hinge and cubed hinge.
        margin: In units of the scores.

    Raises:
        ConfigError: For other constants.

    >>> import torch
    >>> scores, targets = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, -1.0]])
    >>> OneVsRestHinge()(scores, targets).item()
    0.5
    """

    def __init__(self, power: Annotated[float, Ge(1)] = 1.0, margin: Annotated[float, Gt(0)] = 0.5) -> None:
        super().__init__()
        self.power = constant(self, "power", power)
        self.margin = constant(self, "margin", margin)

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Raw scores and signed targets, both ``[B, C]`` -> 0-d mean."""
        return (self.margin - targets * scores).relu().pow(self.power).sum(-1).mean()
