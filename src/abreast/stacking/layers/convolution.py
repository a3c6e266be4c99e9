"""`nn.Conv1d`, `nn.Conv2d` and `nn.Conv3d` in every lane."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abreast.stacking.layers.convolution_products import (
    Convolution,
    Form,
    Gradients,
    Products,
    Shape,
    choose_form,
)
from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError
from abreast.stacking.parameters import BufferPool, align

ConvolutionLayer = nn.Conv1d | nn.Conv2d | nn.Conv3d


class StackedConvolution(StackedLayer):
    """Convolutions lane by lane, or as one grouped convolution where that rounds alike and is faster.

    Not on the CPU, where lanes are not bitwise those of individual runs, it is always a grouped one.
    """

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, ConvolutionLayer)
        name = f"nn.{type(layer).__name__}"
        dims = len(layer.kernel_size)
        if len(context.in_shape) != dims + 1 or context.in_shape[0] != layer.in_channels:
            raise UnsupportedLayerError(
                f"{name} with in_channels={layer.in_channels} on examples of shape {context.in_shape}"
            )
        if layer.padding_mode != "zeros":
            raise UnsupportedLayerError(f"{name} with padding_mode={layer.padding_mode}")
        weight, bias = context.parameters["weight"], context.parameters.get("bias")
        assert weight.grad is not None
        self.weight, self.weight_grad = weight.detach(), weight.grad
        self.bias = None if bias is None else bias.detach()
        self.bias_grad = None if bias is None else bias.grad
        self.settings = Convolution(layer.stride, _padding(layer, name), layer.dilation, layer.groups)
        self.needs_input_grad = context.needs_input_grad
        example = torch.empty(1, *context.in_shape, device="meta")
        self.out_shape = tuple(self.settings.output(example, self.weight[0].to("meta"), None).shape[1:])
        self._outputs = BufferPool(most=0 if context.output_escapes else 2)
        self._input_grads = BufferPool(most=2)
        self._x: Tensor

    def _products(self, x: Tensor) -> Products:
        if x.device.type != "cpu":
            return Products(self.settings, Form(True, True, True))
        shape = Shape(
            self.settings,
            tuple(x.shape),
            tuple(self.weight.shape),
            self.bias is not None,
            self.needs_input_grad,
            torch.get_num_threads(),
        )
        return Products(self.settings, choose_form(shape))

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to `[K, B, *out_shape]`."""
        self._x = x = align(x)
        out = self._outputs.aligned(*x.shape[:2], *self.out_shape, like=x)
        self._products(x).output(x, self.weight, self.bias, out)
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *out_shape]` to `[K, B, *in_shape]`; first layer: no input gradient."""
        x, grad = self._x, align(grad)
        del self._x
        grad_input = self._input_grads.aligned(*x.shape, like=x) if self.needs_input_grad else None
        into = Gradients(self.weight_grad, self.bias_grad, grad_input)
        self._products(x).gradients(grad, x, self.weight, into)
        return grad if grad_input is None else grad_input


def _padding(layer: ConvolutionLayer, name: str) -> tuple[int, ...]:
    """Values added before and after each dimension."""
    if layer.padding == "valid":
        return (0,) * len(layer.stride)
    if not isinstance(layer.padding, str):
        return tuple(layer.padding)
    totals = [size * (kernel - 1) for size, kernel in zip(layer.dilation, layer.kernel_size, strict=True)]
    if any(total % 2 for total in totals):
        raise UnsupportedLayerError(
            f"{name} with padding=same and an even kernel, {layer.kernel_size}, which pads unequally"
        )
    return tuple(total // 2 for total in totals)
