"""The forms a criterion can want its scores and targets in, made from raw scores and class indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def _logits(logits: Tensor) -> Tensor:
    """The raw scores as they are."""
    return logits


def _log_probs(logits: Tensor) -> Tensor:
    """Log-softmax over the classes."""
    return F.log_softmax(logits, dim=-1)


def _probs(logits: Tensor) -> Tensor:
    """Softmax over the classes: one distribution a row."""
    return F.softmax(logits, dim=-1)


def _sigmoid(logits: Tensor) -> Tensor:
    """One independent probability a class."""
    return torch.sigmoid(logits)


def _distance(logits: Tensor) -> Tensor:
    """A distance to each class: softplus(-logit), which is >= 0 and falls as the score rises."""
    return F.softplus(-logits)


def _index(targets: Tensor, scores: Tensor) -> Tensor:
    """Class indices as they are."""
    return targets


def _one_hot(targets: Tensor, scores: Tensor) -> Tensor:
    """1 for the class, 0 for the others, in the scores' dtype."""
    # Not F.one_hot, whose int64 result would have to be converted, nor a comparison, which would
    # turn an out-of-range class into a row of zeros without a word.
    return torch.zeros_like(scores).scatter(-1, targets.unsqueeze(-1), 1.0)


def _signed(targets: Tensor, scores: Tensor) -> Tensor:
    """+1 for the class, -1 for the others, in the scores' dtype."""
    return torch.full_like(scores, -1.0).scatter(-1, targets.unsqueeze(-1), 1.0)


Scores = Literal["logits", "log_probs", "probs", "sigmoid", "distance"]
Targets = Literal["index", "one_hot", "signed"]

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": _logits,
    "log_probs": _log_probs,
    "probs": _probs,
    "sigmoid": _sigmoid,
    "distance": _distance,
}
"""Form of scores -> function of the raw scores ``[..., C]``; the shape is kept."""

TARGETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "index": _index,
    "one_hot": _one_hot,
    "signed": _signed,
}
"""Form of targets -> function of (class indices ``[...]``, scores ``[..., C]``)."""
