"""The perceptron's layers, sizes and initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abreast.models import MLP
from abreast.models.mlp import ACTIVATIONS, INITS


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


# The standard deviations of He et al. 2015 (equation 10) and Glorot & Bengio 2010 (equations 12 and 16).
@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("kaiming_normal", (2 / 400) ** 0.5),
        ("kaiming_uniform", (2 / 400) ** 0.5),
        ("xavier_normal", (2 / (400 + 300)) ** 0.5),
        ("xavier_uniform", (2 / (400 + 300)) ** 0.5),
        ("orthogonal", (1 / 400) ** 0.5),  # 300 orthonormal rows of 400
    ],
)
def test_initial_weights(init: str, deviation: float) -> None:
    torch.manual_seed(0)
    layer = MLP(400, 10, hidden=[300], init=init)[1]  # type: ignore[arg-type]
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert layer.bias.abs().max() == 0


def test_all_inits_are_tested() -> None:
    assert set(INITS) == {
        "kaiming_normal",
        "kaiming_uniform",
        "xavier_normal",
        "xavier_uniform",
        "orthogonal",
    }


@pytest.mark.parametrize("key", ["activation", "norm", "init"])
def test_unknown_names_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=rf"model\.{key}=nonsense is unknown; it takes "):
        MLP(2, 2, **{key: "nonsense"})  # type: ignore[arg-type]
