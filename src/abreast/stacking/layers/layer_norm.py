"""`nn.LayerNorm` in every lane."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError


class StackedLayerNorm(StackedLayer):
    """Lane by lane, differentiated by autograd."""

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, nn.LayerNorm)
        self.normalized_shape = tuple(layer.normalized_shape)
        if context.in_shape[-len(self.normalized_shape) :] != self.normalized_shape:
            raise UnsupportedLayerError(
                f"nn.LayerNorm({list(self.normalized_shape)}) on examples of shape {context.in_shape}"
            )
        super().__init__(layer, context)
        self.eps = layer.eps
        self.parameters = dict(context.parameters)
        self.needs_input_grad = context.needs_input_grad
        self._saved: tuple[Tensor, Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each example of `[K, B, *in_shape]`."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(self.needs_input_grad)
            weights, biases = self._by_lane("weight", len(x)), self._by_lane("bias", len(x))
            out = torch.stack(
                [
                    F.layer_norm(inputs, self.normalized_shape, weight, bias, self.eps)
                    for inputs, weight, bias in zip(x.unbind(), weights, biases, strict=True)
                ]
            )
        self._saved = x, out
        return out.detach()

    def _by_lane(self, name: str, lanes: int) -> tuple[Tensor, ...] | list[None]:
        return self.parameters[name].unbind() if name in self.parameters else [None] * lanes

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to the same."""
        x, out = self._saved
        del self._saved
        inputs = [x] if self.needs_input_grad else []
        gradients = list(torch.autograd.grad(out, [*inputs, *self.parameters.values()], grad))
        grad_input = gradients.pop(0) if self.needs_input_grad else grad
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(gradient)
        return grad_input
