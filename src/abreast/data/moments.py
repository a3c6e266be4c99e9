"""Mean, standard deviation and highest value of stored inputs."""

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
