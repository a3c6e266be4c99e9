"""`nn.Conv1d`, `nn.Conv2d` and `nn.Conv3d` in every lane."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError
from abreast.stacking.parameters import BufferPool, align

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


class StackedConvolution(StackedLayer):
    """Lane by lane, by the kernels of `torch.nn.functional.conv2d`."""

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, Convolution)
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
        self.stride, self.dilation, self.groups = layer.stride, layer.dilation, layer.groups
        self.padding = _padding(layer, name)
        self.needs_input_grad = context.needs_input_grad
        example = torch.empty(1, *context.in_shape, device="meta")
        self.out_shape = tuple(self._convolve(example, self.weight[0].to("meta"), None).shape[1:])
        self._outputs = BufferPool(most=0 if context.output_escapes else 2)
        self._input_grads = BufferPool(most=2)
        self._x: Tensor

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        zeros = [0] * len(self.stride)
        return torch.ops.aten.convolution(  # type: ignore[no-any-return]
            x, weight, bias, self.stride, self.padding, self.dilation, False, zeros, self.groups
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, *in_shape]` to `[K, B, *out_shape]`."""
        self._x = x = align(x)
        out = self._outputs.aligned(*x.shape[:2], *self.out_shape, like=x)
        for lane, (inputs, weight) in enumerate(zip(x, self.weight, strict=True)):
            bias = None if self.bias is None else self.bias[lane]
            out[lane] = self._convolve(inputs, weight, bias)
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, *out_shape]` to `[K, B, *in_shape]`; first layer: no input gradient."""
        x = self._x
        del self._x
        grad_input = self._input_grads.aligned(*x.shape, like=x) if self.needs_input_grad else grad
        zeros = [0] * len(self.stride)
        mask = [self.needs_input_grad, True, self.bias is not None]
        bias_shape = None if self.bias is None else [len(self.bias[0])]
        for lane, (grad_out, inputs, weight) in enumerate(zip(align(grad), x, self.weight, strict=True)):
            input_grad, weight_grad, bias_grad = torch.ops.aten.convolution_backward(
                grad_out,
                inputs,
                weight,
                bias_shape,
                self.stride,
                self.padding,
                self.dilation,
                False,
                zeros,
                self.groups,
                mask,
            )
            self.weight_grad[lane] = weight_grad
            if self.bias_grad is not None:
                self.bias_grad[lane] = bias_grad
            if self.needs_input_grad:
                grad_input[lane] = input_grad
        return grad_input


def _padding(layer: Convolution, name: str) -> list[int]:
    """Values added before and after each dimension."""
    if layer.padding == "valid":
        return [0] * len(layer.stride)
    if not isinstance(layer.padding, str):
        return [*layer.padding]
    totals = [size * (kernel - 1) for size, kernel in zip(layer.dilation, layer.kernel_size, strict=True)]
    if any(total % 2 for total in totals):
        raise UnsupportedLayerError(
            f"{name} with padding=same and an even kernel, {layer.kernel_size}, which pads unequally"
        )
    return [total // 2 for total in totals]
