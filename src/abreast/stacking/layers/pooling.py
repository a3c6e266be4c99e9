"""Pooling in every lane."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError


class StackedPooling(StackedLayer):
    """All lanes' examples as one batch, differentiated by autograd: each is pooled by itself."""

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        if getattr(layer, "return_indices", False):
            raise UnsupportedLayerError(f"nn.{type(layer).__name__}(return_indices=True)")
        self.layer = layer
        self.out_shape = tuple(layer(torch.empty(1, *context.in_shape, device="meta")).shape[1:])
        self._saved: tuple[Tensor, Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to `[K, B, *out_shape]`."""
        with torch.enable_grad():
            examples = x.flatten(0, 1).detach().requires_grad_()
            out: Tensor = self.layer(examples)
        self._saved = examples, out
        return out.detach().view(*x.shape[:2], *self.out_shape)

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *out_shape]` to `[K, B, *in_shape]`."""
        examples, out = self._saved
        del self._saved
        (grad_input,) = torch.autograd.grad(out, examples, grad.flatten(0, 1))
        return grad_input.view(*grad.shape[:2], *examples.shape[1:])
