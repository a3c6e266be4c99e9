"""Floating-point numbers of 16 bits."""

from __future__ import annotations

import torch
from torch import Tensor

HALF = (torch.bfloat16, torch.float16)


def to_float32(values: Tensor) -> Tensor:
    """16-bit values as float32, others as they are."""
    return values.float() if values.dtype in HALF else values
