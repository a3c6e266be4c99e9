"""Learning-rate schedules that torch does not have, by optimizer step.

Each multiplies the optimizer's learning rates by a factor. With W = round(warmup_fraction * T) that of step t
is ``(t + 1) / (W + 1)`` for t < W, so that the first step has a rate above zero; then a function of the
progress ``x = (t - W) / (T - W)``, which stays at 1 from step T on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def _after_warmup(
    optimizer: Optimizer, total_steps: int, warmup_fraction: float, curve: Callable[[float], float]
) -> LambdaLR:
    warmup = round(warmup_fraction * total_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return curve(min(1.0, (step - warmup) / max(1, total_steps - warmup)))

    return LambdaLR(optimizer, factor)


def warmup_cosine(
    optimizer: Optimizer,
    total_steps: Annotated[int, Ge(1)],
    warmup_fraction: Annotated[float, Ge(0), Lt(1)] = 0.05,
    final_lr_ratio: Annotated[float, Ge(0)] = 0.0,
) -> LambdaLR:
    """Half a cosine: ``r + (1 - r) (1 + cos(pi x)) / 2``.

    Source: Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5 with one period.

    Args:
        optimizer: Its learning rates are multiplied by the factor.
        total_steps: T, optimizer steps of the training.
        warmup_fraction: Share of these for the warm-up.
        final_lr_ratio: r, the final rate divided by the optimizer's own.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = warmup_cosine(optimizer, total_steps=4, warmup_fraction=0.25, final_lr_ratio=0.1)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def curve(x: float) -> float:
        return final_lr_ratio + (1 - final_lr_ratio) * (1 + math.cos(math.pi * x)) / 2

    return _after_warmup(optimizer, total_steps, warmup_fraction, curve)


def polynomial(
    optimizer: Optimizer,
    total_steps: Annotated[int, Ge(1)],
    power: Annotated[float, Gt(0)] = 1.0,
    warmup_fraction: Annotated[float, Ge(0), Lt(1)] = 0.0,
    final_lr_ratio: Annotated[float, Ge(0)] = 0.0,
) -> LambdaLR:
    """A power of what is left: ``r + (1 - r) (1 - x)^power``; with a power of 1 a line.

    Source: Chen et al. 2016, arXiv 1606.00915, section 4 ("poly", power 0.9); of the line to zero: Defazio et
    al. 2023, arXiv 2310.07831, and Bergsma et al. 2025, arXiv 2502.15938.

    Args:
        optimizer, total_steps, warmup_fraction, final_lr_ratio: As for `warmup_cosine`.
        power: The exponent.
    """

    def curve(x: float) -> float:
        return final_lr_ratio + (1 - final_lr_ratio) * float((1 - x) ** power)

    return _after_warmup(optimizer, total_steps, warmup_fraction, curve)


def warmup_stable_decay(
    optimizer: Optimizer,
    total_steps: Annotated[int, Ge(1)],
    warmup_fraction: Annotated[float, Ge(0), Lt(1)] = 0.05,
    decay_fraction: Annotated[float, Ge(0), Le(1)] = 0.2,
    shape: Literal["sqrt", "linear"] = "sqrt",
    final_lr_ratio: Annotated[float, Ge(0)] = 0.0,
) -> LambdaLR:
    """The full rate, and a decay at the end: ``r + (1 - r) (1 - sqrt(z))``, or ``1 - z`` for the square root.

    z is the progress of the decay, which takes the last `decay_fraction` of all steps.
    Source: Hu et al. 2024, arXiv 2404.06395 (WSD); Haegele et al. 2024, arXiv 2405.18392 (1 - sqrt, 20 %).

    Args:
        optimizer, total_steps, warmup_fraction, final_lr_ratio: As for `warmup_cosine`.
        decay_fraction: Share of all steps for the decay, at most what the warm-up leaves.
        shape: Of the decay.
    """
    after_warmup = total_steps - round(warmup_fraction * total_steps)
    decay = min(1.0, round(decay_fraction * total_steps) / max(1, after_warmup))

    def curve(x: float) -> float:
        z = max(0.0, 1 - (1 - x) / decay) if decay > 0 else 0.0
        return final_lr_ratio + (1 - final_lr_ratio) * (1 - (math.sqrt(z) if shape == "sqrt" else z))

    return _after_warmup(optimizer, total_steps, warmup_fraction, curve)


def cosine_restarts(
    optimizer: Optimizer,
    total_steps: Annotated[int, Ge(1)],
    cycles: Annotated[int, Ge(1)] = 3,
    cycle_mult: Annotated[float, Gt(0)] = 2.0,
    warmup_fraction: Annotated[float, Ge(0), Lt(1)] = 0.0,
    final_lr_ratio: Annotated[float, Ge(0)] = 0.0,
) -> LambdaLR:
    """Half a cosine, and again from the full rate; each time `cycle_mult` times as long as before.

    The periods fill the training, so the last ends with it: 1/7, 2/7 and 4/7 of it by default.
    Source: Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5 (SGDR) with T_mult = 2.

    Args:
        optimizer, total_steps, warmup_fraction, final_lr_ratio: As for `warmup_cosine`.
        cycles: The number of periods.
        cycle_mult: The length of a period divided by that of the one before.
    """
    lengths = [cycle_mult**number for number in range(cycles)]
    ends = [sum(lengths[: number + 1]) / sum(lengths) for number in range(cycles)]

    def curve(x: float) -> float:
        number = next((n for n, end in enumerate(ends[:-1]) if x < end - 1e-12), cycles - 1)
        start = ends[number - 1] if number else 0.0
        progress = (x - start) / (ends[number] - start)
        return final_lr_ratio + (1 - final_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2

    return _after_warmup(optimizer, total_steps, warmup_fraction, curve)


def rex(
    optimizer: Optimizer,
    total_steps: Annotated[int, Ge(1)],
    warmup_fraction: Annotated[float, Ge(0), Lt(1)] = 0.0,
    final_lr_ratio: Annotated[float, Ge(0)] = 0.0,
) -> LambdaLR:
    """Reflected exponential: ``r + (1 - r) (1 - x) / (1/2 + (1 - x) / 2)``.

    Source: Chen, Wolfe & Kyrillidis 2021, arXiv 2107.04197.

    Args:
        optimizer, total_steps, warmup_fraction, final_lr_ratio: As for `warmup_cosine`.
    """

    def curve(x: float) -> float:
        return final_lr_ratio + (1 - final_lr_ratio) * (1 - x) / (0.5 + (1 - x) / 2)

    return _after_warmup(optimizer, total_steps, warmup_fraction, curve)
