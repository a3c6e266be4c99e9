"""Layers of all lanes on other devices than the CPU: as few kernels as possible, equal within rounding.

There the products of many lanes round differently from one lane's anyway, so nothing is done lane by lane.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from abreast.runtime.matmul_precision import is_bf16
from abreast.stacking.device_products import multiply
from abreast.stacking.layers.activations import StackedActivation, StackedGELU, StackedOutputActivation
from abreast.stacking.layers.batch_norm import StackedBatchNorm
from abreast.stacking.layers.convolution_products import apart, side_by_side
from abreast.stacking.layers.layer import DEVICE_FORMS, LayerContext
from abreast.stacking.layers.layer_norm import StackedLayerNorm
from abreast.stacking.layers.linear import StackedLinear


class DeviceLinear(StackedLinear):
    """`x @ weight.T + bias` by products of all lanes; of bf16 copies where products are to multiply in it."""

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, in]` to `[K, B, out]`."""
        weight = self.weight
        if is_bf16(x.device):
            x, weight = x.bfloat16(), weight.bfloat16()
        self._x, self._weight = x, weight
        if self.bias is None:
            return _product(x, weight.mT)
        if x.dtype == self.bias.dtype:
            return multiply(x, weight.mT, self.bias[:, None])
        return _product(x, weight.mT).add_(self.bias[:, None])

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, out]` to `[K, B, in]`; first layer: no input gradient."""
        x, weight = self._x, self._weight
        del self._x, self._weight
        if self.bias_grad is not None:
            torch.sum(grad, 1, out=self.bias_grad)
        factor = grad.to(x.dtype)
        _product(factor.mT, x, self.weight_grad)
        return _product(factor, weight) if self.needs_input_grad else grad


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of every lane in float32, also of matrices in bf16."""
    if left.dtype != torch.bfloat16:
        return multiply(left, right, out=out)
    if out is None:
        out = torch.empty(len(left), left.shape[1], right.shape[2], device=left.device)
    if _adds_in_float32(left.device):
        return torch.bmm(left, right, out_dtype=torch.float32, out=out)
    return out.copy_(torch.bmm(left, right))


@lru_cache(maxsize=8)
def _adds_in_float32(device: torch.device) -> bool:
    """Whether a product of matrices in bf16 can be had unrounded."""
    ones = torch.ones(2, 16, 16, dtype=torch.bfloat16, device=device)
    out = torch.zeros(2, 16, 16, device=device)
    try:
        torch.bmm(ones, ones * 1.0078125, out_dtype=torch.float32, out=out)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return bool((out == 16.125).all())


class DeviceBatchNorm(StackedBatchNorm):
    """All lanes are the features or channels of one batch, `[B, K * F, *size]`."""

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        super().__init__(layer, context)
        self._weight, self._bias = (context.parameters[key].detach() for key in ("weight", "bias"))
        self._gradients = [context.parameters[key].grad for key in ("weight", "bias")]
        self._running = [context.buffers[key] for key in ("running_mean", "running_var")]

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `[K, B, F, *size]` over each lane's examples, and update the running statistics."""
        self.num_batches_tracked.add_(1)
        mean, var = (values.reshape(-1) for values in self._running)  # copies where lanes are padded
        joint, weight = side_by_side(x), self._weight.reshape(-1)
        out, *statistics = torch.native_batch_norm(
            joint, weight, self._bias.reshape(-1), mean, var, True, self.momentum, self.eps
        )
        for values, new in zip(self._running, (mean, var), strict=True):
            if values.data_ptr() != new.data_ptr():
                values.copy_(new.view_as(values))
        self._saved = [(joint, weight, mean, var, *statistics)]
        return apart(out, len(x))

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, F, *size]` to the same."""
        (saved,) = self._saved
        self._saved = []
        joint, mask = side_by_side(grad), [self.needs_input_grad, True, True]
        grad_input, *gradients = torch.ops.aten.native_batch_norm_backward(
            joint, *saved, True, self.eps, mask
        )
        for memory, gradient in zip(self._gradients, gradients, strict=True):
            assert memory is not None
            memory.copy_(gradient.view_as(memory))
        if not self.needs_input_grad:
            return grad
        return apart(grad_input, len(grad))


class DeviceLayerNorm(StackedLayerNorm):
    """All lanes at once, before each lane's scale and shift; differentiated by autograd."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each example of `[K, B, *in_shape]`."""
        ones = (1,) * (x.ndim - 1 - len(self.normalized_shape))
        with torch.enable_grad():
            x = x.detach().requires_grad_(self.needs_input_grad)
            out = F.layer_norm(x, self.normalized_shape, None, None, self.eps)
            by_lane = {key: p.view(len(p), *ones, *p.shape[1:]) for key, p in self.parameters.items()}
            if "weight" in by_lane:
                out = out * by_lane["weight"]
            if "bias" in by_lane:
                out = out + by_lane["bias"]
        self._saved = x, out
        return out.detach()


class DeviceActivation(StackedActivation):
    """All values at once, whose rounding does not depend on their position there."""

    is_correctly_rounded = True


class DeviceOutputActivation(StackedOutputActivation):
    """All values at once, whose rounding does not depend on their position there."""

    is_correctly_rounded = True


class DeviceGELU(StackedGELU):
    """All values at once, whose rounding does not depend on their position there."""

    is_correctly_rounded = True


DEVICE_FORMS |= {
    StackedLinear: DeviceLinear,
    StackedBatchNorm: DeviceBatchNorm,
    StackedLayerNorm: DeviceLayerNorm,
    StackedActivation: DeviceActivation,
    StackedOutputActivation: DeviceOutputActivation,
    StackedGELU: DeviceGELU,
}
