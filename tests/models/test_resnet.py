"""The small residual network: layers and sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abreast.models import Residual, ResNet


@pytest.mark.parametrize(("blocks", "layers", "parameters"), [(1, 8, 78_042), (3, 20, 272_474)])
def test_as_in_the_paper(blocks: int, layers: int, parameters: int) -> None:
    """6n + 2 layers with weights, without projections; 0.27 million parameters for 20 (table 6)."""
    net = ResNet((3, 32, 32), 10, blocks=blocks)
    weighted = [m for name, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    projections = [m for m in weighted if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert len(weighted) - len(projections) == layers
    assert len(projections) == 2
    assert sum(p.numel() for p in net.parameters()) == parameters
    x = torch.zeros(2, 3, 32, 32)
    shapes = []
    for layer in net.children():
        x = layer(x)
        if isinstance(layer, Residual):
            shapes.append(tuple(x.shape[1:]))
    assert shapes[::blocks] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize("in_shape", [(1, 8, 8), (3, 5, 9), (2, 1, 1)])
def test_sizes_follow_the_data(in_shape: tuple[int, ...]) -> None:
    assert ResNet(in_shape, 7, widths=[4, 6], blocks=2)(torch.randn(3, *in_shape)).shape == (3, 7)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"takes images of shape \(channels, height, width\)"):
        ResNet((20,), 10)
    with pytest.raises(ValueError, match=r"model\.widths=\[\] has no stage"):
        ResNet((1, 8, 8), 10, widths=[])
