"""Augmentation of training examples on their device, a pure function of seed, epoch and mini-batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from abreast.config.augmentation import augment_mistakes
from abreast.errors import ConfigError
from abreast.runtime.seeding import derive


@dataclass(frozen=True)
class Augment:
    """What is done to each training example, drawn anew in each epoch; in this order.

    What an image does not have, beside its edges, is 0 as stored: black. A run that resumes, and a lane of a
    stack, draw what the run alone draws.

    Attributes:
        flip: Probability of a horizontal flip.
        rotate: The most degrees of a rotation, to either side.
        scale: The most by which a side is scaled, as a share: 0.1 is from 0.9 to 1.1.
        shift: The most pixels of a shift, in both directions.
        noise: Standard deviation of normal noise, in units of the training inputs' deviation.
    """

    flip: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shift: int = 0
    noise: float = 0.0

    @classmethod
    def from_config(cls, settings: Mapping[str, float] | None, in_shape: tuple[int, ...]) -> Augment | None:
        """Check settings for inputs of a shape; None where nothing is to be done. Raises ConfigError."""
        for mistake in augment_mistakes(settings or {}):
            raise ConfigError(mistake)
        for name, value in (settings or {}).items():
            if value and name != "noise" and len(in_shape) != 3:
                raise ConfigError(
                    f"data.augment.{name}: needs images, but inputs are of shape {list(in_shape)}"
                )
        augment = cls(**dict(settings or {}))  # type: ignore[arg-type]
        return augment if augment != cls() else None

    def __call__(self, inputs: Tensor, std: float | Tensor, seed: int, epoch: int, batch: int) -> Tensor:
        """Augment a mini-batch.

        Args:
            inputs: `[B, *shape]` as stored; left as they are.
            std: Standard deviation of the training inputs, of all values or of each column.
            seed: The run's.
            epoch: From 0.
            batch: The mini-batch's position in the epoch.

        Returns:
            Floating-point values of the same shape.
        """
        x = inputs if inputs.is_floating_point() else inputs.float()
        random = torch.Generator(x.device).manual_seed(derive(seed, "augment", epoch, batch))

        def uniform(most: float) -> Tensor:
            return (torch.rand(len(x), generator=random, device=x.device) * 2 - 1) * most

        if self.flip:
            is_flipped = torch.rand(len(x), generator=random, device=x.device) < self.flip
            x = torch.where(is_flipped[:, None, None, None], x.flip(3), x)
        if self.rotate or self.scale:
            x = _affine(x, uniform(math.radians(self.rotate)), 1 + uniform(self.scale))
        if self.shift:
            ranges = (-self.shift, self.shift + 1, (2, len(x)))
            down, right = torch.randint(*ranges, generator=random, device=x.device)
            x = _shifted(_shifted(x, down, 2), right, 3)
        if self.noise:
            noise = torch.randn(x.shape, generator=random, device=x.device, dtype=x.dtype)
            x = x + noise * _finite(std, x) * self.noise
        return x


def _finite(std: float | Tensor, like: Tensor) -> Tensor:
    """The deviation; 0 of a column without spread."""
    deviation = torch.as_tensor(std, dtype=like.dtype, device=like.device)
    return torch.where(deviation.isfinite(), deviation, 0.0)


def _affine(x: Tensor, angle: Tensor, scale: Tensor) -> Tensor:
    """Rotate and scale about the middle, bilinear."""
    height, width = x.shape[2:]
    cos, sin, zero = angle.cos() / scale, angle.sin() / scale, torch.zeros_like(angle)
    rows = (
        torch.stack([cos, -sin * height / width, zero], 1),
        torch.stack([sin * width / height, cos, zero], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1).to(x.dtype), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)


def _shifted(x: Tensor, by: Tensor, dim: int) -> Tensor:
    """Shift each image by a number of pixels along a dimension, and fill up with 0."""
    size = x.shape[dim]
    origin = torch.arange(size, device=x.device)[None] - by[:, None]
    shape = [len(x), 1, 1, 1]
    shape[dim] = size
    index = origin.clamp(0, size - 1).view(shape).expand_as(x)
    is_inside = ((origin >= 0) & (origin < size)).view(shape)
    return torch.where(is_inside, x.gather(dim, index), 0.0)
