"""What a network computes and keeps, and the layout that follows."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from abreast.models import CNN, MLP, ResNet
from abreast.stacking.layout import CACHE_BYTES, choose_layout
from abreast.stacking.network_size import network_size


def test_a_perceptron_is_its_parameters() -> None:
    net = MLP(64, 10, hidden=[32], norm="batch")
    parameters = 64 * 32 + 32 + 2 * 32 + 32 * 10 + 10
    assert network_size(net, (1, 8, 8)) == (parameters, parameters, 0)


def test_a_convolution_is_computed_at_every_position() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 2, 5))
    weights = 2 * 3 * 9
    size = network_size(net, (2, 6, 4))
    assert size.parameters == weights + 24 * 5 + 5
    assert size.multiplications == weights * 4 * 2 + 24 * 5 + 5
    assert size.features == 2 * 3 * 4 * 2  # of the convolution and of the ReLU


def test_measuring_leaves_the_network_as_it_is() -> None:
    net = ResNet((1, 8, 8), 10, widths=[4])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert network_size(net, (1, 8, 8)).features > 0
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


class Choosy(nn.Module):
    """Control flow that depends on values: not on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x if x.mean() > 0 else -x)  # type: ignore[no-any-return]


def test_a_network_that_needs_values_is_its_parameters() -> None:
    assert network_size(Choosy(), (1, 8, 8)) == (20, 20, 0)


@pytest.mark.parametrize("batch_size", [1, 32, 128])
def test_feature_maps_take_their_part_of_the_cache(batch_size: int) -> None:
    net = CNN((1, 28, 28), 10, channels=[8, 16], kernels=3, hidden=[64])
    size = network_size(net, (1, 28, 28))
    lanes = choose_layout(size, batch_size).max_lanes
    lane_bytes = 16 * size.parameters + 4 * batch_size * size.features
    assert lanes == max(1, CACHE_BYTES // lane_bytes)
    assert choose_layout(size, batch_size, max_lanes=3).max_lanes == 3
