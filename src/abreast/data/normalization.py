"""What the training inputs are normalised by."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from abreast.data.moments import (
    ColumnMoments,
    Moments,
    column_moments,
    level_counts,
    moments,
    moments_of_levels,
)
from abreast.data.source import Source, Split
from abreast.errors import ConfigError


def training_levels(source: Source, train: Tensor) -> Tensor | None:
    """How often each level is in the training inputs; None if they are not uint8.

    The rows that are left out are subtracted from the pool's counts: they are fewer, and counts are exact.

    Args:
        source: The data set.
        train: Rows of its pool, int64.
    """
    if source.pool_levels is None:
        return None
    is_left_out = torch.ones(len(source.pool), dtype=torch.bool)
    is_left_out[train] = False
    left_out = source.pool.inputs.index_select(0, is_left_out.nonzero().flatten())
    return source.pool_levels - level_counts(left_out)


def input_moments(
    train: Split, levels: Tensor | None, numeric: Tensor | None, normalize: bool | Literal["channels"]
) -> Moments | ColumnMoments:
    """Mean and standard deviation that training inputs are normalised by.

    Args:
        train: The training examples.
        levels: The counts of their levels, where these are known.
        numeric: Which columns are standardised one by one; None for all values together.
        normalize: Whether to normalise, `channels` for each channel of images; else mean 0 and deviation 1.

    Raises:
        ConfigError: There are no images to normalise by channel.
    """
    if normalize == "channels":
        if train.inputs.ndim != 4:
            shape = list(train.inputs.shape[1:])
            raise ConfigError(
                f"data.normalize=channels: needs images, but inputs are of shape {shape}; write true"
            )
        by_channel = [moments(channel) for channel in train.inputs.unbind(1)]
        mean, std = torch.tensor(by_channel, dtype=torch.float64).T[:, :, None, None]
        return ColumnMoments(mean, std)
    if numeric is not None:
        return column_moments(train.inputs, numeric if normalize else torch.zeros_like(numeric))
    if not normalize:
        return Moments(0.0, 1.0)
    return moments(train.inputs) if levels is None else moments_of_levels(levels)
