"""The forms a criterion can want its scores and targets in, made from raw scores and class indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Scores = Literal["logits", "log_probs", "probs", "sigmoid", "distance"]
Targets = Literal["index", "one_hot", "signed"]

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda logits: logits,
    "log_probs": lambda logits: F.log_softmax(logits, dim=-1),
    "probs": lambda logits: F.softmax(logits, dim=-1),
    "sigmoid": torch.sigmoid,
    "distance": lambda logits: F.softplus(-logits),  # to each class: >= 0, falls as the score rises
}
"""Form of scores -> function of the raw scores ``[..., C]``; the shape is kept."""


def _scattered(targets: Tensor, background: Tensor) -> Tensor:
    # Not F.one_hot, whose int64 result would have to be converted, nor a comparison, which would
    # turn an out-of-range class into a row of zeros without a word.
    return background.scatter(-1, targets.unsqueeze(-1), 1.0)


TARGETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "index": lambda targets, scores: targets,
    "one_hot": lambda targets, scores: _scattered(targets, torch.zeros_like(scores)),
    "signed": lambda targets, scores: _scattered(targets, torch.full_like(scores, -1.0)),
}
"""Form of targets -> function of (class indices ``[...]``, scores ``[..., C]``), in the scores' dtype."""
