"""A stack of MLPs, forward and backward by batched matrix products, each lane to its plain run's bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from abreast.stacking.layers import BatchNorm, ByAutograd, Dropout, Flatten, Layer, Linear, ReLU
from abreast.stacking.parameters import State

VECTOR = 64  # a multiple of the values that any CPU handles at once, unrolled
EXACT = (nn.LeakyReLU, nn.Identity)  # one correctly rounded operation a value


class StackedMLP:
    """The lanes' `abreast.models.MLP`s as one function, in training.

    `streams` are the lanes' random streams for dropout.
    """

    def __init__(self, nets: Sequence[nn.Module], state: State, streams: Sequence[torch.Generator]) -> None:
        named = [*nets[0].named_children()]
        behind = [layer for _, layer in named[1:]] + [None]
        self.layers: list[Layer] = [
            _layer(named[n], behind[n], state, streams, is_first=n == 1) for n in range(len(named))
        ]

    def train(self) -> None:
        """The lanes' own networks are only evaluated, and may stay as they are."""

    def forward(self, x: Tensor) -> Tensor:
        """Scores `[K, B, out]` of normalised inputs `[K, B, *shape]`."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Tensor) -> None:
        """Fill the state's gradients from that of the scores, which is used up."""
        for layer in reversed(self.layers):
            grad = layer.backward(grad)


def _layer(
    named: tuple[str, nn.Module],
    behind: nn.Module | None,
    state: State,
    streams: Sequence[torch.Generator],
    *,
    is_first: bool,
) -> Layer:
    name, layer = named
    parameters = {key: state.parameters[f"{name}.{key}"] for key, _ in layer.named_parameters()}
    buffers = {key: state.buffers[f"{name}.{key}"] for key, _ in layer.named_buffers()}
    match layer:
        case nn.Flatten():
            return Flatten()
        case nn.Linear():
            return Linear(parameters["weight"], parameters.get("bias"), behind, is_first=is_first)
        case nn.BatchNorm1d():
            return BatchNorm(layer, parameters, buffers)
        case nn.LayerNorm():
            return ByAutograd(_layer_norm(layer, parameters), [*parameters.values()])
        case nn.ReLU():
            return ReLU()
        case nn.Dropout():
            return Dropout(layer.p, streams)
    return ByAutograd(_each_or_all(layer))


def _each_or_all(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        if isinstance(layer, EXACT) or x[0].numel() % VECTOR == 0:
            batched: Tensor = layer(x)
            return batched
        return torch.stack([layer(h) for h in x.unbind()])

    return apply


def _layer_norm(layer: nn.LayerNorm, parameters: dict[str, nn.Parameter]) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        each = zip(x.unbind(), parameters["weight"].unbind(), parameters["bias"].unbind(), strict=True)
        shape = tuple(layer.normalized_shape)
        return torch.stack([F.layer_norm(h, shape, w, b, layer.eps) for h, w, b in each])

    return apply
