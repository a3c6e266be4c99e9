"""Regression targets in units of the training targets' deviation."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.data.source import Split, Subset

TargetScale = tuple[tuple[float, float], ...]  # mean and standard deviation of each target


def target_scale(targets: Tensor) -> TargetScale:
    """Mean and standard deviation of the targets `[N, D]`, in double precision; 1 for one without spread."""
    values = targets.double()
    means, stds = values.mean(0).tolist(), values.std(0, correction=0).tolist()
    return tuple((mean, std or 1.0) for mean, std in zip(means, stds, strict=True))


def standardized(split: Split, scale: TargetScale) -> Split:
    """The split with standardised targets."""
    means, stds = _columns(scale, split.targets)
    targets = ((split.targets.double() - means) / stds).float()
    if isinstance(split, Subset):
        return Subset(split.rows, split.indices, targets)
    return Split(split.inputs, targets)


def restored(scores: Tensor, scale: TargetScale) -> Tensor:
    """Scores `[N, D]` in the units of the targets as stored."""
    if not scale:
        return scores
    means, stds = _columns(scale, scores)
    return (scores.double() * stds + means).to(scores.dtype)


def _columns(scale: TargetScale, like: Tensor) -> tuple[Tensor, Tensor]:
    means, stds = zip(*scale, strict=True)
    return tuple(torch.tensor(values, dtype=torch.float64, device=like.device) for values in (means, stds))  # type: ignore[return-value]
