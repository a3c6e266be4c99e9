"""`nn.Linear` in every lane, by batched matrix products."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from abreast.stacking.bf16_products import Bf16Products, pays_off_in_bf16
from abreast.stacking.layers.layer import LayerContext, StackedLayer, UnsupportedLayerError
from abreast.stacking.parameters import ALIGNED_FLOATS, BufferPool, align
from abreast.stacking.products import block_size, multiply

# Multiplications of a matrix product below which torch.bmm takes another path, which rounds differently.
BMM_CUTOFF = 400


class StackedLinear(StackedLayer):
    """`x @ weight.T + bias` in every lane, with weight `[K, out, in]` and bias `[K, out]`.

    Lanes are multiplied one by one where a batched product would round differently; the conditions were
    found by comparing both forms over sizes from 1 to 784.

    Attributes:
        bf16: Large products by bf16 copies of the factors where products multiply in bf16; None for never.
    """

    keeps_output = False

    def __init__(self, layer: nn.Module, context: LayerContext) -> None:
        assert isinstance(layer, nn.Linear)
        if context.in_shape != (layer.in_features,):
            raise UnsupportedLayerError(
                f"nn.Linear with in_features={layer.in_features} on examples of shape {context.in_shape}"
            )
        self.out_shape = (layer.out_features,)
        weight, bias = context.parameters["weight"], context.parameters.get("bias")
        assert weight.grad is not None
        self.weight, self.weight_grad = weight.detach(), weight.grad
        self.bias = None if bias is None else bias.detach()
        self.bias_grad = None if bias is None else bias.grad
        self.needs_input_grad = context.needs_input_grad
        feeds_batch_norm = isinstance(context.next_layer, nn.BatchNorm1d)
        self.batch_major = feeds_batch_norm and layer.out_features % ALIGNED_FLOATS == 0
        self.outputs = BufferPool(most=0 if context.output_escapes else 2)
        self._input_grads = BufferPool(most=2)
        self._lane_major_grads = BufferPool(most=2)
        self.bf16: Bf16Products | None = None
        self._x: Tensor

    def sum_examples(self, grad: Tensor) -> None:
        """Fill the bias's gradient, each lane's as if it were alone."""
        if self.bias_grad is None:
            return
        lanes, examples, outputs = grad.shape
        if grad[0].is_contiguous():
            torch.sum(grad, 1, out=self.bias_grad)
        elif self.bias_grad.is_contiguous() and sums_side_by_side(
            lanes, examples, outputs, torch.get_num_threads()
        ):
            torch.sum(grad.transpose(0, 1).flatten(1), 0, out=self.bias_grad.view(-1))
        else:
            lane_major = self._lane_major_grads.aligned(*grad.shape, like=grad).copy_(grad)
            torch.sum(lane_major, 1, out=self.bias_grad)

    def forward(self, x: Tensor) -> Tensor:
        """`[K, B, in]` to `[K, B, out]`."""
        if x.stride(0) % ALIGNED_FLOATS:
            x = align(x)
        self._x = x
        lanes, examples, _ = x.shape
        out = self.outputs.aligned(
            lanes, examples, self.weight.shape[1], like=x, batch_major=self.batch_major
        )
        if self.bf16 is not None and pays_off_in_bf16(examples, self.weight):
            self.bf16.forward(x, self.weight, self.bias, out)
            return out
        one_by_one = rounds_differently(self.weight, examples)
        _multiply_lanes(x, self.weight.mT, self.bias, out, one_by_one=one_by_one)
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """`[K, B, out]` to `[K, B, in]`; first layer: no input gradient."""
        x, weight = self._x, self.weight
        del self._x
        grad = align(grad)
        self.sum_examples(grad)
        if self.bf16 is not None and self.bf16.is_pending:
            grad_input = self._input_grad_like(x) if self.needs_input_grad else None
            self.bf16.backward(grad, self.weight_grad, grad_input)
            return grad if grad_input is None else grad_input
        one_by_one = rounds_differently(weight, grad.shape[1])
        _multiply_lanes(grad.mT, x, None, self.weight_grad, one_by_one=one_by_one)
        if not self.needs_input_grad:
            return grad
        grad_input = self._input_grad_like(x)
        _multiply_lanes(grad, weight, None, grad_input, one_by_one=one_by_one)
        return grad_input

    def _input_grad_like(self, x: Tensor) -> Tensor:
        """Memory for the inputs' gradient, laid out as they are."""
        return self._input_grads.aligned(*x.shape, like=x, batch_major=x.stride(1) > x.stride(0))


def rounds_differently(weight: Tensor, examples: int) -> bool:
    """Whether a batched product with weight `[K, out, in]` would round differently from each lane's own."""
    _, outputs, inputs = weight.shape
    return examples * inputs * outputs < BMM_CUTOFF or outputs == 1 or inputs == 1


@lru_cache(maxsize=256)
def sums_side_by_side(lanes: int, examples: int, outputs: int, threads: int) -> bool:
    """Whether sums over the examples of `[B, K * out]` are bitwise those of each lane's `[B, out]`."""
    values = torch.randn(examples, lanes, outputs, generator=torch.Generator().manual_seed(0))
    alone = torch.stack([lane.contiguous().sum(0) for lane in values.unbind(1)])
    return values.flatten(1).sum(0).view_as(alone).equal(alone)


def _multiply_lanes(
    left: Tensor, right: Tensor, bias: Tensor | None, out: Tensor, *, one_by_one: bool
) -> None:
    """Write `left @ right + bias` of every lane to `out`: by `multiply` where that is faster, else by torch.

    Args:
        left: `[K, M, terms]`.
        right: `[K, terms, N]`.
        bias: `[K, N]`, or None.
        out: `[K, M, N]`.
        one_by_one: Whether torch's product of all lanes at once would round differently.
    """
    size = block_size(left[0], right[0].t(), has_bias=bias is not None)
    if size is None and not one_by_one:
        if bias is None:
            torch.bmm(left, right, out=out)
        else:
            torch.baddbmm(bias[:, None], left, right, out=out)
        return
    for lane in range(len(left)):
        of_lane = None if bias is None else bias[lane]
        if size is not None:
            multiply(left[lane], right[lane].t(), of_lane, size, out[lane])
        elif of_lane is None:
            torch.mm(left[lane], right[lane], out=out[lane])
        else:
            torch.addmm(of_lane, left[lane], right[lane], out=out[lane])
