"""Training examples mixed in pairs within their mini-batch: mixup and CutMix."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def mixed(
    inputs: Tensor, targets: Tensor, classes: int, mixup: float, cutmix: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Mix each example with another of its mini-batch, by one share for all, as the authors' programs do.

    With mixup and CutMix, one of them is drawn for the mini-batch, each as often as the other.

    Sources: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, arXiv:1710.09412; Yun et al.,
    CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019,
    arXiv:1905.04899.

    Args:
        inputs: `[B, *shape]`, floating; images `[B, C, H, W]` for CutMix.
        targets: Classes `[B]`, or values `[B, D]`.
        classes: The number of classes; 0 for values.
        mixup: Both parameters of the Beta distribution of the share, above 0; 0 for no mixup.
        cutmix: Likewise of the share of an image's area that stays; 0 for no CutMix.
        seed: Of the draws.

    Returns:
        The mixed inputs, and the mixed targets: shares of the classes `[B, C]`, or values `[B, D]`.
    """
    numbers = np.random.default_rng(seed)
    generator = torch.Generator(inputs.device).manual_seed(seed)
    partner = torch.randperm(len(inputs), generator=generator, device=inputs.device)
    cuts = cutmix > 0 and (mixup == 0 or numbers.random() < 0.5)
    alpha = cutmix if cuts else mixup
    share = float(numbers.beta(alpha, alpha))
    if cuts:
        height, width = inputs.shape[2:]
        top, bottom = _interval(height, math.sqrt(1 - share), numbers)
        left, right = _interval(width, math.sqrt(1 - share), numbers)
        mixture = inputs.clone()
        mixture[:, :, top:bottom, left:right] = inputs[partner, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    else:
        mixture = share * inputs + (1 - share) * inputs[partner]
    values = F.one_hot(targets, classes).to(torch.float32) if classes else targets
    return mixture, share * values + (1 - share) * values[partner]


def _interval(size: int, share: float, numbers: np.random.Generator) -> tuple[int, int]:
    """A part of a side, of the share's length where the side holds it, about a middle that is drawn."""
    length, middle = int(size * share), int(numbers.integers(size))
    return max(0, middle - length // 2), min(size, middle + length // 2)
