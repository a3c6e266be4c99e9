"""Learning-rate schedules that torch has only in parts."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(
    optimizer: Optimizer, total_steps: int, warmup: float = 0.05, final: float = 0.0
) -> LambdaLR:
    """Linear warm-up, then half a cosine; by optimizer step.

    `warmup` is the share of all `total_steps` that the rise takes; the first step already has a rate above
    zero. `final` is the last rate as a share of the optimizer's own.
    Source of the cosine: Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5 with one period.
    """
    rise = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        progress = min(1.0, (step - rise) / max(1, total_steps - rise))
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)
