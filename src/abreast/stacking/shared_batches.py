"""Lanes of one seed share their mini-batches: gathered once, multiplied by all their weights at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from abreast.runtime.matmul_precision import is_bf16
from abreast.stacking.bf16_products import Bf16Products, pays_off_in_bf16
from abreast.stacking.grouping import split_key
from abreast.stacking.lane import Lane
from abreast.stacking.layers.chain import Layer
from abreast.stacking.layers.dropout import StackedIdentity
from abreast.stacking.layers.flatten import StackedFlatten
from abreast.stacking.layers.linear import StackedLinear, rounds_differently
from abreast.stacking.layers.residual import StackedResidual
from abreast.stacking.parameters import BufferPool, align
from abreast.stacking.products import block_size, multiply
from abreast.stacking.sequential import StackedSequential


def batches_key(lane: Lane) -> tuple[str, int, int]:
    """What is equal for lanes that have the same mini-batches in the same order: split, seed and epoch."""
    return split_key(lane.cfg), lane.cfg["seed"], lane.epoch


def group_of_lane(groups: Sequence[slice], device: torch.device) -> Tensor:
    """The group of each lane, int64 `[K]`: repeats what groups have in common, by `index_select`."""
    counts = torch.tensor([lanes.stop - lanes.start for lanes in groups], dtype=torch.int64)
    return torch.arange(len(groups)).repeat_interleave(counts).to(device)


class WideProducts(NamedTuple):
    """Whether one product with the weights of all lanes has the bits of each lane's own."""

    output: bool
    weight_grad: bool


@lru_cache(maxsize=256)
def wide_products(
    lanes: int, examples: int, sizes: tuple[int, int], has_bias: bool, threads: int
) -> WideProducts:
    """Compare both on random values, once for each shape: sums are in the same order for any values.

    Args:
        lanes: Lanes that share a mini-batch.
        examples: Its examples.
        sizes: Outputs and inputs of the layer.
        has_bias: Whether the layer adds a bias.
        threads: Intra-op threads, which sums depend on.
    """
    outputs, inputs = sizes
    generator = torch.Generator().manual_seed(0)
    x, weight, grad = (
        torch.randn(*shape, generator=generator)
        for shape in ((examples, inputs), (lanes, outputs, inputs), (lanes, examples, outputs))
    )
    bias = torch.randn(lanes, outputs, generator=generator) if has_bias else None
    alone = [product(x, weight[k], None if bias is None else bias[k]) for k in range(lanes)]
    wide = product(x, weight.flatten(0, 1), None if bias is None else bias.flatten())
    gradients = torch.stack([torch.mm(lane.t(), x) for lane in grad])
    return WideProducts(
        by_lane(wide, lanes).equal(torch.stack(alone)),
        torch.mm(side_by_side(grad).t(), x).view_as(gradients).equal(gradients),
    )


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x @ weight.T + bias`, in the call of `nn.Linear`."""
    return torch.mm(x, weight.t()) if bias is None else torch.addmm(bias, x, weight.t())


def side_by_side(values: Tensor) -> Tensor:
    """`[k, B, out]` to `[B, k * out]`."""
    return values.transpose(0, 1).reshape(values.shape[1], -1)


def by_lane(values: Tensor, lanes: int) -> Tensor:
    """`[B, k * out]` to `[k, B, out]`, a view."""
    return values.view(len(values), lanes, -1).transpose(0, 1)


class SharedLinear:
    """The first linear layer, for inputs `[G, B, in]` that the lanes of each of the G groups have in common.

    OneDNN's product for each lane where that is faster; else one product with all their weights, where it is
    bitwise equal to each lane's product alone; otherwise batched products that read the same inputs for every
    lane. Where products multiply in bf16, large ones are of bf16 copies: their results are rounded to bf16,
    too, and the inputs converted once for all lanes.
    """

    def __init__(self, layer: StackedLinear, groups: Sequence[slice]) -> None:
        self.layer = layer
        self.groups = groups
        self._x: Tensor
        self._x16: Tensor | None = None
        self._copies = BufferPool(most=8)

    def _in_bf16(self, x: Tensor) -> bool:
        return pays_off_in_bf16(x.shape[1], self.layer.weight)

    def _forward_bf16(self, x: Tensor, out: Tensor) -> None:
        self._x16 = x.bfloat16()
        weight = self.layer.weight
        weight16 = self._copies.dense(*weight.shape, like=self._x16).copy_(weight)
        bias = self.layer.bias
        for shared, group in zip(self._x16, self.groups, strict=True):
            wide = torch.mm(shared, weight16[group].flatten(0, 1).t())
            product16 = by_lane(wide, group.stop - group.start)
            if bias is None:
                out[group] = product16
            else:
                torch.add(product16, bias[group, None], out=out[group])

    def _backward_bf16(self, x16: Tensor, grad: Tensor) -> None:
        weight_grad = self.layer.weight_grad
        grad16 = self._copies.dense(*weight_grad.shape, like=x16)
        for shared, group in zip(x16, self.groups, strict=True):
            outputs = side_by_side(grad[group].bfloat16())
            torch.mm(outputs.t(), shared, out=grad16[group].view(-1, shared.shape[1]))
        weight_grad.copy_(grad16)

    def _wide(self, lanes: int, x: Tensor) -> WideProducts:
        if x.device.type != "cpu" or is_bf16(x.device):
            return WideProducts(True, True)  # coarse products are equal within their rounding
        outputs, inputs = self.layer.weight.shape[1:]
        has_bias = self.layer.bias is not None
        return wide_products(lanes, x.shape[1], (outputs, inputs), has_bias, torch.get_num_threads())

    def forward(self, x: Tensor) -> Tensor:
        """`[G, B, in]` to `[K, B, out]`."""
        self._x = x = align(x)
        weight, bias = self.layer.weight, self.layer.bias
        lanes, outputs, _ = weight.shape
        examples = x.shape[1]
        batch_major = self.layer.batch_major
        out = self.layer.outputs.aligned(lanes, examples, outputs, like=x, batch_major=batch_major)
        self._x16 = None
        if self._in_bf16(x):
            self._forward_bf16(x, out)
            return out
        size = block_size(x[0], weight[0], has_bias=bias is not None)
        for shared, group in zip(x, self.groups, strict=True):
            weights, biases = weight[group], None if bias is None else bias[group]
            count = len(weights)
            if size is not None:
                for lane in range(group.start, group.stop):
                    multiply(shared, weight[lane], None if bias is None else bias[lane], size, out[lane])
            elif self._wide(count, x).output:
                flat = None if biases is None else biases.flatten()
                out[group] = by_lane(product(shared, weights.flatten(0, 1), flat), count)
            elif rounds_differently(weight, examples):
                for lane in range(group.start, group.stop):
                    out[lane] = product(shared, weight[lane], None if bias is None else bias[lane])
            elif biases is None:
                torch.bmm(shared.expand(count, -1, -1), weights.transpose(1, 2), out=out[group])
            else:
                expanded = shared.expand(count, -1, -1)
                torch.baddbmm(biases[:, None], expanded, weights.transpose(1, 2), out=out[group])
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """Fill the parameters' gradients; first layer: no input gradient."""
        x, weight_grad = self._x, self.layer.weight_grad
        del self._x
        grad = align(grad)
        self.layer.sum_examples(grad)
        x16, self._x16 = self._x16, None
        if x16 is not None:
            self._backward_bf16(x16, grad)
            return grad
        size = block_size(grad[0].t(), x[0].t())
        for shared, group in zip(x, self.groups, strict=True):
            into, outputs = weight_grad[group], grad[group]
            if size is not None:
                for lane in range(group.start, group.stop):
                    multiply(grad[lane].t(), shared.t(), None, size, weight_grad[lane])
            elif self._wide(len(into), x).weight_grad:
                torch.mm(side_by_side(outputs).t(), shared, out=into.view(-1, shared.shape[1]))
            elif rounds_differently(self.layer.weight, x.shape[1]):
                for lane in range(group.start, group.stop):
                    torch.mm(grad[lane].t(), shared, out=weight_grad[lane])
            else:
                torch.bmm(outputs.transpose(1, 2), shared.expand(len(into), -1, -1), out=into)
        return grad


def allow_bf16_copies(layers: Sequence[Layer]) -> None:
    """Let linear layers multiply bf16 copies of their factors, where products multiply in bf16."""
    for layer in layers:
        if isinstance(layer, StackedLinear):
            layer.bf16 = Bf16Products()
        elif isinstance(layer, StackedResidual):
            allow_bf16_copies([*layer.body.layers, *layer.shortcut.layers])


def share_first_product(net: StackedSequential, groups: Sequence[slice]) -> bool:
    """Let the network take one input `[G, B, *shape]` for each group of lanes, where that is possible.

    Returns:
        Whether it is: the first layer but for views is linear, and its weights lie without padding.
    """
    for position, layer in enumerate(net.layers):
        if isinstance(layer, StackedLinear) and layer.weight.is_contiguous():
            net.layers[position] = SharedLinear(layer, groups)
            return True
        if not isinstance(layer, (StackedFlatten, StackedIdentity)):
            return False
    return False
