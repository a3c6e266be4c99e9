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


class StackedMaxPool2d(StackedLayer):
    """`nn.MaxPool2d`, with the channels of an example as neighbours in memory.

    Torch compares the values of many channels at once there, which takes a fifth of the time, and chooses the
    same maxima.
    """

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, nn.MaxPool2d)
        if layer.return_indices or len(context.in_shape) != 3:
            raise UnsupportedLayerError(
                f"nn.MaxPool2d(return_indices={layer.return_indices}) on examples of shape {context.in_shape}"
            )
        kernel, stride, padding, dilation = (
            [size, size] if isinstance(size, int) else [*size]
            for size in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        )
        self.window = (kernel, stride, padding, dilation, layer.ceil_mode)
        self.in_shape = context.in_shape
        self.out_shape = tuple(layer(torch.empty(1, *context.in_shape, device="meta")).shape[1:])
        self._saved: tuple[Tensor, Tensor]  # the input and the position of each maximum

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to `[K, B, *out_shape]`."""
        examples = x.flatten(0, 1)
        out, positions = torch.ops.aten.max_pool2d_with_indices(
            examples.contiguous(memory_format=torch.channels_last), *self.window
        )
        self._saved = examples, positions.contiguous()
        return out.contiguous().view(*x.shape[:2], *self.out_shape)  # type: ignore[no-any-return]

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *out_shape]` to `[K, B, *in_shape]`."""
        examples, positions = self._saved
        del self._saved
        grad_input = torch.ops.aten.max_pool2d_with_indices_backward(
            grad.flatten(0, 1), examples, *self.window, positions
        )
        return grad_input.view(*grad.shape[:2], *self.in_shape)  # type: ignore[no-any-return]
