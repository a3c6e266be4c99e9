"""Mean and standard deviation of stored inputs, over all values or of each column."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LEVELS = 256  # of uint8


class Moments(NamedTuple):
    """Mean and standard deviation over all values of some inputs, in double precision."""

    mean: float
    std: float


class ColumnMoments(NamedTuple):
    """Mean and deviation, float64: of each column `[F]`, infinite without spread; or channel `[C, 1, 1]`."""

    mean: Tensor
    std: Tensor


def column_moments(rows: Tensor, numeric: Tensor) -> ColumnMoments:
    """Mean and standard deviation of each column, over its values that are not missing.

    Args:
        rows: `[N, F]`; NaN stands for a missing value.
        numeric: bool `[F]`; the other columns are 0 or 1, and have mean 0 and deviation 1.
    """
    values = rows.double()
    known = ~values.isnan()
    count = known.sum(0).clamp(min=1)
    mean = torch.where(known, values, 0.0).sum(0) / count
    std = (torch.where(known, values - mean, 0.0).square().sum(0) / count).sqrt()
    low = torch.where(known, values, math.inf).amin(0)
    high = torch.where(known, values, -math.inf).amax(0)
    mean, std = torch.where(numeric, mean, 0.0), torch.where(numeric, std, 1.0)
    return ColumnMoments(mean, torch.where(high > low, std, math.inf))


def moments(inputs: Tensor) -> Moments:
    """Mean and standard deviation over all values of the inputs, in double precision; 1.0 for no spread."""
    if inputs.dtype == torch.uint8:
        return moments_of_levels(level_counts(inputs))
    values = inputs.double()
    mean, variance = float(values.mean()), float(values.var(correction=0))
    return Moments(mean, math.sqrt(variance) or 1.0)


def level_counts(inputs: Tensor) -> Tensor:
    """How often each of the 256 levels is in uint8 inputs: float64 `[256]`, exact whole numbers."""
    counts = torch.zeros(LEVELS, dtype=torch.float64)
    for part in torch.split(inputs.flatten(), 1 << 20):  # without a wider copy of the images
        counts += torch.bincount(part, minlength=LEVELS)
    return counts


def moments_of_levels(counts: Tensor) -> Moments:
    """As `moments`, of uint8 inputs with these counts of each level."""
    count = int(counts.sum())
    levels = torch.arange(LEVELS, dtype=torch.float64)
    mean = float(counts @ levels) / count
    variance = float(counts @ (levels - mean) ** 2) / count
    return Moments(mean, math.sqrt(variance) or 1.0)
