"""Learning-rate schedules that torch does not have."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Ge, Lt
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(
    optimizer: Optimizer,
    total_steps: Annotated[int, Ge(1)],
    warmup_fraction: Annotated[float, Ge(0), Lt(1)] = 0.05,
    final_lr_ratio: Annotated[float, Ge(0)] = 0.0,
) -> LambdaLR:
    """Linear warm-up, then half a cosine; by optimizer step.

    With W = round(warmup_fraction * T) the factor of step t is ``(t + 1) / (W + 1)`` for t < W, then
    ``r + (1 - r) (1 + cos(pi (t - W) / (T - W))) / 2``, and r from step T on. The first step has a rate
    above zero.
    Source of the cosine: Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5 with one period.

    Args:
        optimizer: its learning rates are multiplied by the factor.
        total_steps: T, optimizer steps of the training.
        warmup_fraction: share of these for the warm-up.
        final_lr_ratio: r, the final rate divided by the optimizer's own.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = warmup_cosine(optimizer, total_steps=4, warmup_fraction=0.25, final_lr_ratio=0.1)
    >>> schedule.get_last_lr()
    [0.5]
    """
    warmup = round(warmup_fraction * total_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return final_lr_ratio + (1 - final_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)
