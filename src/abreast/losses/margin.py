"""Criteria on the margin of raw scores. Each is a mean over the batch."""

from __future__ import annotations

from torch import Tensor, nn

from abreast.losses.settings import constant


class OneVsRestHinge(nn.Module):
    """One-against-rest hinge to a power, ``sum_j max(0, margin - y_j o_j)^power``, y in {-1, +1}.

    Raw scores o ``[B, C]``, signed targets ``[B, C]``. ``power`` >= 1 (1, 2, 3: hinge, squared, cubed
    hinge), ``margin`` > 0 in units of the scores, else ConfigError.
    Source: Janocha & Czarnecki 2017, arXiv 1702.05659, table 1 (hinge, hinge^2, hinge^3; margin 1/2).
    """

    def __init__(self, power: float = 1.0, margin: float = 0.5) -> None:
        super().__init__()
        self.power = constant(self, "power", power, 1.0)
        self.margin = constant(self, "margin", margin, 0.0, above=True)

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        return (self.margin - targets * scores).relu().pow(self.power).sum(-1).mean()
