"""Residual networks for small images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from annotated_types import Ge, Gt
from torch import nn

from abreast.models.blocks import Residual
from abreast.models.cnn import image_shape
from abreast.models.initialization import Init, initialize


class ResNet(nn.Sequential):
    """A 3 x 3 convolution, stages of residual blocks, the mean of each channel, and a linear layer.

    Every convolution is followed by batch norm. Each stage but the first halves height and width. With
    widths 16, 32, 64 this is the network for CIFAR-10, of `6 * blocks + 2` layers, with projections where
    the shape changes (option B).

    Args:
        in_shape: Shape of an example, (channels, height, width); inputs are `[B, *in_shape]`.
        out_features: Scores of an example; outputs are `[B, out_features]`, raw.
        widths: Channels of each stage.
        blocks: Residual blocks of each stage.
        init: How weights are drawn, with biases of 0; `default` leaves both as torch draws them.
        gain: Factor of the last layer's initial weights; or a list with one for each layer.

    Raises:
        ValueError: For examples that are no images, no stages, or an unknown init.

    Source: He, Zhang, Ren & Sun 2016, section 4.2, arXiv:1512.03385.

    >>> sum(isinstance(layer, Residual) for layer in ResNet((1, 8, 8), 10))
    3
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_features: Annotated[int, Ge(1)],
        *,
        widths: Sequence[Annotated[int, Ge(1)]] = (16, 32, 64),
        blocks: Annotated[int, Ge(1)] = 1,
        init: Init = "default",
        gain: Annotated[float, Gt(0)] | Sequence[Annotated[float, Gt(0)]] = 1.0,
    ) -> None:
        channels, *_ = image_shape(in_shape)
        if not widths:
            raise ValueError("model.widths=[] has no stage: give the channels of each, as in [16,32,64]")
        layers = [*_convolution(channels, widths[0]), nn.ReLU()]
        fan_in = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                layers += [_block(fan_in, width, stride), nn.ReLU()]
                fan_in = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, out_features)]
        super().__init__(*layers)
        initialize(self, init, gain)


def _block(fan_in: int, fan_out: int, stride: int) -> Residual:
    body = [*_convolution(fan_in, fan_out, stride), nn.ReLU(), *_convolution(fan_out, fan_out)]
    if fan_in == fan_out and stride == 1:
        return Residual(body)
    return Residual(body, _convolution(fan_in, fan_out, stride, kernel=1))


def _convolution(fan_in: int, fan_out: int, stride: int = 1, kernel: int = 3) -> Iterator[nn.Module]:
    yield nn.Conv2d(fan_in, fan_out, kernel, stride, padding=kernel // 2, bias=False)
    yield nn.BatchNorm2d(fan_out)
