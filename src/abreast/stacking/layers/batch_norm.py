"""`nn.BatchNorm1d` and `nn.BatchNorm2d` in every lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError
from abreast.stacking.parameters import ALIGNED_FLOATS


class _Part(NamedTuple):
    """One call of the kernel: parameters, running statistics and gradients, each `[features]`."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    weight_grad: Tensor
    bias_grad: Tensor


class StackedBatchNorm(StackedLayer):
    """Each lane's own statistics, by the kernels of `torch.nn.functional.batch_norm`.

    Where a lane's features fill whole cache lines, all lanes are the features of one batch, `[B, K * F]`;
    otherwise the kernel is called lane by lane.
    """

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))
        name = f"nn.{type(layer).__name__}"
        dims = 1 if isinstance(layer, nn.BatchNorm1d) else 3
        if context.in_shape[0] != layer.num_features or len(context.in_shape) != dims:
            raise UnsupportedLayerError(
                f"{name}({layer.num_features}) on examples of shape {context.in_shape}"
            )
        if not (layer.affine and layer.track_running_stats) or layer.momentum is None:
            raise UnsupportedLayerError(
                f"{name} with affine={layer.affine}, momentum={layer.momentum} and "
                f"track_running_stats={layer.track_running_stats}"
            )
        if len(context.parameters) != 2 or len(context.buffers) != 3:
            raise UnsupportedLayerError(f"{name} without some of its parameters or statistics")
        super().__init__(layer, context)
        weight, bias = context.parameters["weight"], context.parameters["bias"]
        assert weight.grad is not None
        assert bias.grad is not None
        self.lanes_as_features = dims == 1 and layer.num_features % ALIGNED_FLOATS == 0
        shape = (1, -1) if self.lanes_as_features else tuple(weight.shape)
        tensors = (
            weight.detach(),
            bias.detach(),
            context.buffers["running_mean"],
            context.buffers["running_var"],
            weight.grad,
            bias.grad,
        )
        self.parts = [_Part(*part) for part in zip(*(t.view(shape) for t in tensors), strict=True)]
        self.num_batches_tracked = context.buffers["num_batches_tracked"]
        self.momentum, self.eps = layer.momentum, layer.eps
        self.needs_input_grad = context.needs_input_grad
        self._saved: list[tuple[Tensor, ...]]  # input, mean and inverse deviation of each part

    def _split(self, x: Tensor) -> Sequence[Tensor]:
        return (x.transpose(0, 1).flatten(1),) if self.lanes_as_features else x.unbind()

    def _merge(self, parts: list[Tensor], lanes: int) -> Tensor:
        if self.lanes_as_features:
            return parts[0].view(len(parts[0]), lanes, -1).transpose(0, 1)
        return torch.stack(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `[K, B, F]` over each lane's examples, and update the running statistics."""
        self.num_batches_tracked.add_(1)
        self._saved, outputs = [], []
        for inputs, part in zip(self._split(x), self.parts, strict=True):
            out, *statistics = torch.native_batch_norm(
                inputs,
                part.weight,
                part.bias,
                part.running_mean,
                part.running_var,
                True,
                self.momentum,
                self.eps,
            )
            self._saved.append((inputs, *statistics))
            outputs.append(out)
        return self._merge(outputs, len(x))

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, F]` to `[K, B, F]`."""
        saved, self._saved = self._saved, []
        input_grads = []
        for grad_output, (x, *statistics), part in zip(self._split(grad), saved, self.parts, strict=True):
            grad_input, weight_grad, bias_grad = torch.ops.aten.native_batch_norm_backward(
                grad_output,
                x,
                part.weight,
                part.running_mean,
                part.running_var,
                *statistics,
                True,
                self.eps,
                [self.needs_input_grad, True, True],
            )
            part.weight_grad.copy_(weight_grad)
            part.bias_grad.copy_(bias_grad)
            input_grads.append(grad_input)
        return self._merge(input_grads, len(grad)) if self.needs_input_grad else grad
