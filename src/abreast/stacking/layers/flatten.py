"""`nn.Flatten` in every lane."""

from __future__ import annotations

import math

from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError


class StackedFlatten(StackedLayer):
    """`[K, B, *shape]` to `[K, B, values]`; a view."""

    keeps_output = False
    may_alias_input = True

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, nn.Flatten)
        self.in_shape = context.in_shape
        dims = len(self.in_shape) + 1  # with that of the batch
        start, end = (dim + dims if dim < 0 else dim for dim in (layer.start_dim, layer.end_dim))
        if not 1 <= start <= end < dims:
            raise UnsupportedLayerError(
                f"nn.Flatten({layer.start_dim}, {layer.end_dim}) on examples of shape {self.in_shape}"
            )
        self.out_shape = (
            *self.in_shape[: start - 1],
            math.prod(self.in_shape[start - 1 : end]),
            *self.in_shape[end:],
        )

    def forward(self, x: Tensor) -> Tensor:
        """Merge dimensions."""
        return x.reshape(*x.shape[:2], *self.out_shape)

    def backward(self, grad: Tensor) -> Tensor:
        """Restore them."""
        return grad.reshape(*grad.shape[:2], *self.in_shape)
