"""Convolutional networks: their sizes on images of any size, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from abreast.models import CNN
from abreast.models.cnn import same_pool
from support.helpers import compose, options

NETS = {name: compose(f"model={name}")["model"] for name in options("model") if name.startswith("cnn")}


def build(name: str, in_shape: tuple[int, ...], **more: Any) -> CNN:
    settings = {key: value for key, value in NETS[name].items() if key != "_target_"}
    return CNN(in_shape, 10, **{**settings, **more})


def sizes(net: nn.Module, in_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shape of an example after each convolution, pooling and linear layer."""
    shapes = []
    x = torch.zeros(2, *in_shape)
    for layer in net.children():
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.Linear)):
            shapes.append(tuple(x.shape[1:]))
    return shapes


def test_2c2d_as_in_deepobs() -> None:
    """DeepOBS' mnist_2c2d: deepobs/pytorch/testproblems/testproblems_modules.py, net_mnist_2c2d."""
    net = build("cnn", (1, 28, 28))
    shapes = [(32, 28, 28), (32, 14, 14), (64, 14, 14), (64, 7, 7), (1024,), (10,)]
    assert sizes(net, (1, 28, 28)) == shapes
    assert sum(p.numel() for p in net.parameters()) == 3_274_634
    assert NETS["cnn"] == NETS["cnn_2c2d"]


def test_3c3d_as_in_deepobs() -> None:
    """DeepOBS' cifar10_3c3d: as above, net_cifar10_3c3d."""
    net = build("cnn_3c3d", (3, 32, 32))
    assert sizes(net, (3, 32, 32)) == [
        (64, 28, 28),
        (64, 14, 14),
        (96, 12, 12),
        (96, 6, 6),
        (128, 6, 6),
        (128, 3, 3),
        (512,),
        (256,),
        (10,),
    ]
    assert sum(p.numel() for p in net.parameters()) == 895_210


@pytest.mark.parametrize("in_shape", [(1, 8, 8), (3, 9, 7), (2, 33, 17), (1, 1, 1)])
def test_sizes_follow_the_data(in_shape: tuple[int, ...]) -> None:
    net = build("cnn", in_shape, norm="batch", dropout=0.1, channel_dropout=0.1, hidden=[12])
    assert net(torch.randn(3, *in_shape)).shape == (3, 10)


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5])
def test_pooling_pads_as_tensorflow_does(window: int, length: int) -> None:
    """Compared with explicit padding by TensorFlow's formula for `SAME` (tf.nn, "Notes on padding")."""
    x = torch.randn(2, 3, length, 8)
    out = -(-length // 2)
    total = max((out - 1) * 2 + window - length, 0)
    wide = max(3 * 2 + window - 8, 0)
    borders = (wide // 2, wide - wide // 2, total // 2, total - total // 2)
    padded = nn.functional.pad(x, borders, value=-torch.inf)
    assert torch.equal(same_pool(window, (length, 8))(x), nn.functional.max_pool2d(padded, window, 2))


@pytest.mark.parametrize(
    ("in_shape", "more", "message"),
    [
        ((20,), {}, r"takes images of shape \(channels, height, width\), .* shape \(20,\)"),
        ((8, 8), {}, r"takes images of shape \(channels, height, width\), .* shape \(8, 8\)"),
        (
            (1, 8, 8),
            {"padding": "valid"},
            "8 x 8 are too small: convolution 2, of 5 x 5, gets 2 x 2",
        ),
        ((1, 4, 30), {"padding": "valid"}, "images of 4 x 30 are too small: convolution 1"),
        ((1, 8, 8), {"kernels": [3]}, r"model.kernels has 1 entries for 2 convolutions"),
        ((1, 8, 8), {"padding": ["same"] * 3}, r"model.padding has 3 entries for 2 convolutions"),
        ((1, 8, 8), {"kernels": [3, 4]}, "model.kernels: 4 is even"),
        ((1, 8, 8), {"padding": "full"}, "model.padding=full is unknown; it takes same, valid"),
        ((1, 8, 8), {"norm": "layer"}, "model.norm=layer is unknown; it takes batch"),
        ((1, 8, 8), {"activation": "rellu"}, "model.activation=rellu is unknown"),
    ],
)
def test_what_does_not_fit_is_named(in_shape: tuple[int, ...], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CNN(in_shape, 10, **more)


def test_3c3d_takes_images_of_9_by_9() -> None:
    assert build("cnn_3c3d", (1, 9, 9))(torch.zeros(1, 1, 9, 9)).shape == (1, 10)
    with pytest.raises(ValueError, match=r"images of 8 x 8 are too small.* model\.padding=same"):
        build("cnn_3c3d", (1, 8, 8))
    assert build("cnn_3c3d", (1, 8, 8), padding="same")(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
