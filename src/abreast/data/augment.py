"""Augmentation of training examples on their device, a pure function of seed, epoch and mini-batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from abreast.config.augmentation import augment_mistakes, mixing
from abreast.data.mixing import mixed
from abreast.errors import ConfigError
from abreast.runtime.seeding import derive


@dataclass(frozen=True)
class Augment:
    """What is done to the training examples, drawn anew in each epoch; in this order.

    What an image does not have, beside its edges, is 0 as stored: black. A run that resumes, and a lane of a
    stack, draw what the run alone draws.

    Attributes:
        flip: Probability of a horizontal flip.
        rotate: The most degrees of a rotation, to either side.
        scale: The most by which a side is scaled, as a share: 0.1 is from 0.9 to 1.1.
        shear: The most degrees by which the columns lean, to either side.
        shift: The most pixels of a shift, in both directions.
        noise: Standard deviation of normal noise, in units of the training inputs' deviation.
        mixup: Parameter of the Beta distribution of the share that an example keeps when it is mixed with
            another (see `abreast.data.mixing`).
        cutmix: The same, of the share of its area.
    """

    flip: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: int = 0
    noise: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @classmethod
    def from_config(
        cls, settings: Mapping[str, float] | None, in_shape: tuple[int, ...], *, ignores: bool = False
    ) -> Augment | None:
        """Check settings for inputs of a shape; None where nothing is to be done.

        Args:
            settings: Of `data.augment`.
            in_shape: The shape of the inputs of one example.
            ignores: Whether some examples have no class.

        Raises:
            ConfigError: A setting is unknown, out of its range, or not for these data.
        """
        for mistake in augment_mistakes(settings or {}):
            raise ConfigError(mistake)
        for name, value in (settings or {}).items():
            if value and name not in ("noise", "mixup") and len(in_shape) != 3:
                raise ConfigError(
                    f"data.augment.{name}: needs images, but inputs are of shape {list(in_shape)}"
                )
        if ignores and mixing(settings):
            raise ConfigError(f"data.augment.{mixing(settings)[0]}: some examples have no class to be mixed")
        augment = cls(**dict(settings or {}))  # type: ignore[arg-type]
        return augment if augment != cls() else None

    def examples(
        self, inputs: Tensor, targets: Tensor, classes: int, std: float | Tensor, draw: tuple[int, int, int]
    ) -> tuple[Tensor, Tensor]:
        """Augment the inputs of a mini-batch, and mix its examples where that is asked for.

        Args:
            inputs: As in a call.
            targets: Classes `[B]`, or values `[B, D]`.
            classes: The number of classes; 0 for values.
            std: As in a call.
            draw: Seed, epoch and mini-batch.

        Returns:
            Floating-point inputs of the same shape, and the targets; mixed ones are shares `[B, C]`.
        """
        x = self(inputs, std, *draw)
        if not (self.mixup or self.cutmix):
            return x, targets
        seed, *position = draw
        return mixed(x, targets, classes, self.mixup, self.cutmix, derive(seed, "mix", *position))

    def __call__(self, inputs: Tensor, std: float | Tensor, seed: int, epoch: int, batch: int) -> Tensor:
        """Augment each input of a mini-batch.

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
        if self.rotate or self.scale or self.shear:
            angle, scale = uniform(math.radians(self.rotate)), 1 + uniform(self.scale)
            lean = uniform(math.radians(self.shear)) if self.shear else torch.zeros_like(angle)
            x = _affine(x, angle, scale, lean)
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


def _affine(x: Tensor, angle: Tensor, scale: Tensor, lean: Tensor) -> Tensor:
    """Rotate, scale and shear about the middle, bilinear."""
    height, width = x.shape[2:]
    cos, sin, zero, tan = angle.cos() / scale, angle.sin() / scale, torch.zeros_like(angle), lean.tan()
    rows = (
        torch.stack([cos + tan * sin, (tan * cos - sin) * height / width, zero], 1),
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
