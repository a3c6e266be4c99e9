"""The perceptron's layers, sizes and initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abreast.models import MLP
from abreast.models.blocks import ACTIVATIONS


def kinds(net: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in net.children()]


def test_layers_in_order() -> None:
    net = MLP(4, 2, hidden=[3, 5], norm="batch", dropout=0.1)
    block = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert kinds(net) == ["Flatten", *block, *block, "Linear"]
    shapes = [tuple(layer.weight.shape) for layer in net if isinstance(layer, nn.Linear)]
    assert shapes == [(3, 4), (5, 3), (2, 5)]


def test_no_hidden_size_is_one_linear_layer() -> None:
    net = MLP(6, 3, hidden=[])
    inputs = torch.randn(7, 1, 2, 3)
    assert kinds(net) == ["Flatten", "Linear"]
    expected = inputs.reshape(7, 6) @ net[1].weight.T + net[1].bias
    torch.testing.assert_close(net(inputs), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_every_activation_and_norm_has_gradients(activation: str, norm: str | None) -> None:
    net = MLP(5, 3, hidden=[4], activation=activation, norm=norm)  # type: ignore[arg-type]
    net(torch.randn(6, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("key", ["activation", "norm", "init"])
def test_unknown_names_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=rf"model\.{key}=nonsense is unknown; it takes "):
        MLP(2, 2, **{key: "nonsense"})  # type: ignore[arg-type]


def test_residual_blocks_where_widths_are_equal() -> None:
    net = MLP(4, 2, hidden=[3, 3, 5, 5], norm="batch", dropout=0.1, residual=True)
    block = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert kinds(net) == ["Flatten", *block, "Residual", *block, "Residual", "Linear"]
    assert kinds(net[5].body) == block
    net.eval()
    x = torch.randn(7, 3)
    torch.testing.assert_close(net[5](x), x + net[5].body(x))


@pytest.mark.parametrize("hidden", [[], [4], [4, 5, 4]], ids=str)
def test_residual_blocks_need_equal_widths(hidden: list[int]) -> None:
    with pytest.raises(ValueError, match=r"model\.residual=true .* for example model\.hidden=\[64,64,64\]"):
        MLP(4, 2, hidden=hidden, residual=True)
