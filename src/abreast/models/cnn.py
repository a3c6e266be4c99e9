"""Convolutional networks for small images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from torch import nn

from abreast.models.blocks import ACTIVATIONS, Activation, check_known
from abreast.models.initialization import Init, initialize

Padding = Literal["same", "valid"]


class CNN(nn.Sequential):
    """Convolutions, each followed by norm, activation and pooling, then linear layers.

    Pooling takes the maximum with stride 2 and pads as TensorFlow's `SAME`: sizes are halved, and rounded up.

    Args:
        in_shape: Shape of an example, (channels, height, width); inputs are `[B, *in_shape]`.
        out_features: Scores of an example; outputs are `[B, out_features]`, raw.
        channels: Output channels of each convolution.
        kernels: Height and width of each convolution's kernel, or one number for all; odd where padded.
        padding: `same` keeps height and width, `valid` lets only whole kernels in; one for all, or a list.
        pool: Height and width of the pooling window; 0 for no pooling.
        hidden: Widths of the hidden linear layers.
        activation: Of each convolution and hidden layer.
        norm: `batch` for batch norm before each activation.
        dropout: Probability of a hidden linear layer's value to be zeroed.
        channel_dropout: Probability of a whole channel to be zeroed, after each pooling.
        init: How weights are drawn, with biases of 0; `default` leaves both as torch draws them.
        gain: Factor of the last layer's initial weights; or a list with one for each layer.

    Raises:
        ValueError: For examples that are no images or too small; lists of unequal length; an even kernel
            with padding; an unknown activation or init.

    Source: 2c2d and 3c3d of DeepOBS, Schneider, Balles & Hennig 2019, arXiv:1903.05499.

    >>> [tuple(layer.weight.shape) for layer in CNN((1, 8, 8), 10, hidden=[32]) if hasattr(layer, "weight")]
    [(32, 1, 5, 5), (64, 32, 5, 5), (32, 256), (10, 32)]
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_features: Annotated[int, Ge(1)],
        *,
        channels: Sequence[Annotated[int, Ge(1)]] = (32, 64),
        kernels: Annotated[int, Ge(1)] | Sequence[Annotated[int, Ge(1)]] = 5,
        padding: Padding | Sequence[Padding] = "same",
        pool: Annotated[int, Ge(0)] = 2,
        hidden: Sequence[Annotated[int, Ge(1)]] = (1024,),
        activation: Activation = "relu",
        norm: Literal["batch"] | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        channel_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        init: Init = "default",
        gain: Annotated[float, Gt(0)] | Sequence[Annotated[float, Gt(0)]] = 1.0,
    ) -> None:
        check_known("activation", activation, ACTIVATIONS)
        if norm is not None:
            check_known("norm", norm, ("batch",))
        fan_in, *size = image_shape(in_shape)
        layers: list[nn.Module] = []
        for number, (fan_out, kernel, pads) in enumerate(_convolutions(channels, kernels, padding), 1):
            margin = kernel // 2 if pads == "same" else 0
            if min(size) + 2 * margin < kernel:
                raise ValueError(
                    f"images of {in_shape[1]} x {in_shape[2]} are too small: convolution {number}, of "
                    f"{kernel} x {kernel}, gets {size[0]} x {size[1]} values. Choose smaller model.kernels, "
                    "model.padding=same, model.pool=0, or larger images"
                )
            layers.append(nn.Conv2d(fan_in, fan_out, kernel, padding=margin))
            if norm is not None:
                layers.append(nn.BatchNorm2d(fan_out))
            layers.append(ACTIVATIONS[activation]())
            size = [length + 2 * margin - kernel + 1 for length in size]
            if pool:
                layers.append(same_pool(pool, size))
                size = [math.ceil(length / 2) for length in size]
            if channel_dropout > 0:
                layers.append(nn.Dropout2d(channel_dropout))
            fan_in = fan_out
        layers.append(nn.Flatten())
        features = fan_in * size[0] * size[1]
        for width in hidden:
            layers.append(nn.Linear(features, width))
            if norm is not None:
                layers.append(nn.BatchNorm1d(width))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            features = width
        layers.append(nn.Linear(features, out_features))
        super().__init__(*layers)
        initialize(self, init, gain)


def image_shape(in_shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width. Raises ValueError for examples that are no images."""
    if len(in_shape) != 3:
        raise ValueError(
            f"the network takes images of shape (channels, height, width), but the data's examples have "
            f"shape {tuple(in_shape)}: choose data of images, or model=mlp"
        )
    channels, height, width = in_shape
    return channels, height, width


def same_pool(window: int, size: Sequence[int]) -> nn.MaxPool2d:
    """Max pooling with stride 2 and the padding of TensorFlow's `SAME`, for images of that height and width.

    TensorFlow pads `max(window - 2, 0)` values around an even length and `window - 1` around an odd one, the
    smaller half before it.
    """
    before = [max(window - (2 if length % 2 == 0 else 1), 0) // 2 for length in size]
    return nn.MaxPool2d(window, stride=2, padding=(before[0], before[1]), ceil_mode=True)


def _convolutions(
    channels: Sequence[int], kernels: int | Sequence[int], padding: str | Sequence[str]
) -> list[tuple[int, int, str]]:
    """Output channels, kernel and padding of each convolution."""
    count = len(channels)
    sizes = [*kernels] if isinstance(kernels, Sequence) else [kernels] * count
    pads = [padding] * count if isinstance(padding, str) else [*padding]
    for key, values in (("kernels", sizes), ("padding", pads)):
        if len(values) != count:
            raise ValueError(
                f"model.{key} has {len(values)} entries for {count} convolutions (model.channels): give one "
                "for each, or a single value for all"
            )
    for size, pad in zip(sizes, pads, strict=True):
        check_known("padding", pad, ("same", "valid"))
        if pad == "same" and size % 2 == 0:
            raise ValueError(
                f"model.kernels: {size} is even, and cannot be padded alike on both sides: "
                "choose an odd one, or model.padding=valid"
            )
    return [*zip(channels, sizes, pads, strict=True)]
