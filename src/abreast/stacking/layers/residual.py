"""A residual block in every lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from torch import Tensor, nn

from abreast.models import Residual
from abreast.stacking.layers.chain import Chain, flattened
from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError

T = TypeVar("T")


class StackedResidual(StackedLayer):
    """The sum of two chains of layers with one input."""

    keeps_output = False
    parameters_used = None

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, Residual)
        parts = ("body", "shortcut")
        if [name for name, _ in layer.named_children()] != [*parts]:
            raise UnsupportedLayerError("Residual with other parts than its body and its shortcut")
        self.body, self.shortcut = (
            Chain(
                flattened(layer.get_submodule(part)),
                replace(
                    context,
                    parameters=_part(context.parameters, part),
                    buffers=_part(context.buffers, part),
                    next_layer=None,
                    input_is_kept=True,  # by the other part
                    output_escapes=False,
                ),
            )
            for part in parts
        )
        if self.body.out_shape != self.shortcut.out_shape:
            raise UnsupportedLayerError(
                f"Residual whose body gives {self.body.out_shape} and shortcut {self.shortcut.out_shape}"
            )
        self.out_shape = self.body.out_shape
        self.needs_input_grad = context.needs_input_grad

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to `[K, B, *out_shape]`."""
        out = self.body.forward(x)
        return out + self.shortcut.forward(x)

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *out_shape]` to `[K, B, *in_shape]`."""
        grad_input = self.body.backward(grad.clone())  # the layers may overwrite what they are given
        other = self.shortcut.backward(grad)
        return grad_input + other if self.needs_input_grad else grad


def _part(tensors: Mapping[str, T], part: str) -> dict[str, T]:
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
