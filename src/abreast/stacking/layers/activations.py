"""Activations: one value in, one value out, nothing to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError

VECTOR = 64  # a multiple of the values that any CPU's vectorised loops handle at once


class StackedReLU(StackedLayer):
    """`nn.ReLU`, in place where no other layer reads its input again."""

    may_alias_input = True

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, nn.ReLU)
        if layer.inplace and context.input_is_kept:
            raise UnsupportedLayerError("nn.ReLU(inplace=True) overwrites what the layer before it needs")
        super().__init__(layer, context)
        self.in_place = not context.input_is_kept
        self._out: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`max(x, 0)`."""
        self._out = x.relu_() if self.in_place else x.relu()
        return self._out

    def backward(self, grad: Tensor) -> Tensor:
        """Keep the gradient where the output is positive."""
        return torch.ops.aten.threshold_backward.grad_input(grad, self._out, 0, grad_input=grad)  # type: ignore[no-any-return]


class StackedActivation(StackedLayer):
    """Any elementwise function without parameters, differentiated by autograd.

    The vectorised loops of transcendental functions round the last few values of a tensor differently from
    the others. So the lanes are computed together only if each fills whole vectors.
    """

    keeps_output = False  # torch computes the gradient from the input
    is_correctly_rounded = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        if getattr(layer, "inplace", False):
            raise UnsupportedLayerError(f"nn.{type(layer).__name__}(inplace=True)")
        super().__init__(layer, context)
        self.layer = layer
        self._saved: tuple[Tensor, Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every value of `[K, B, *in_shape]`."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            if self.is_correctly_rounded or x[0].numel() % VECTOR == 0:
                out: Tensor = self.layer(x)
            else:
                out = torch.stack([self.layer(lane.contiguous()) for lane in x.unbind()])
        self._saved = x, out
        return out.detach()

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to the same."""
        x, out = self._saved
        del self._saved
        if grad.stride() != out.stride():  # else the loops would run along single examples
            grad = torch.empty_like(out).copy_(grad)
        (grad_input,) = torch.autograd.grad(out, x, grad)
        return grad_input


class StackedOutputActivation(StackedActivation):
    """An activation whose gradient torch computes from the output."""

    keeps_output = True


class StackedGELU(StackedActivation):
    """`nn.GELU`, which oneDNN computes, rounding in its own way, in contiguous memory alone."""

    def forward(self, x: Tensor) -> Tensor:
        """As any activation's; batch norm leaves the examples of the lanes interleaved."""
        return super().forward(x.contiguous())


class StackedExactActivation(StackedActivation):
    """An activation whose values are correctly rounded wherever they stand in a vector."""

    is_correctly_rounded = True
