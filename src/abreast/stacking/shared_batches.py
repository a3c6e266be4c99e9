"""Lanes of one seed share their mini-batches: gathered once, multiplied by all their weights at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

import torch
from torch import Tensor

from abreast.stacking.grouping import split_key
from abreast.stacking.lane import Lane
from abreast.stacking.layers.dropout import StackedIdentity
from abreast.stacking.layers.flatten import StackedFlatten
from abreast.stacking.layers.linear import StackedLinear
from abreast.stacking.sequential import StackedSequential


def batches_key(lane: Lane) -> tuple[str, int]:
    """What is equal for lanes that have the same mini-batches in the same order: the split and the seed."""
    return split_key(lane.cfg), lane.cfg["seed"]


def equal_neighbours(keys: Sequence[Hashable]) -> list[slice]:
    """The longest ranges of neighbouring lanes of equal keys.

    >>> equal_neighbours([3, 3, 1])
    [slice(0, 2, None), slice(2, 3, None)]
    """
    groups: list[slice] = []
    for _, lanes in groupby(range(len(keys)), lambda lane: keys[lane]):
        first, *others = lanes
        groups.append(slice(first, first + 1 + len(others)))
    return groups


def repeat_by_lane(values: Tensor, groups: Sequence[slice]) -> Tensor:
    """Repeat each group's values `[G, ...]` for each of its lanes: `[K, ...]`."""
    counts = torch.tensor([lanes.stop - lanes.start for lanes in groups], device=values.device)
    return values.repeat_interleave(counts, 0)


class SharedLinear:
    """The first linear layer, for inputs `[G, B, in]` that the lanes of each of the G groups have in common.

    One product with all their weights. It may add up in another order than a lane's product alone: equal to
    it within rounding, not bitwise.
    """

    def __init__(self, layer: StackedLinear, groups: Sequence[slice]) -> None:
        self.layer = layer
        self.groups = groups
        self._x: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`[G, B, in]` to `[K, B, out]`."""
        self._x = x
        weight, bias = self.layer.weight, self.layer.bias
        lanes, outputs, inputs = weight.shape
        out = self.layer.outputs.aligned(lanes, x.shape[1], outputs, like=x)
        for shared, group in zip(x, self.groups, strict=True):
            products = torch.mm(shared, weight[group].view(-1, inputs).t())
            out[group] = products.view(len(shared), -1, outputs).transpose(0, 1)
        if bias is not None:
            out += bias[:, None]
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """Fill the parameters' gradients; first layer: no input gradient."""
        if self.layer.bias_grad is not None:
            torch.sum(self.layer.lane_major(grad), 1, out=self.layer.bias_grad)
        for shared, group in zip(self._x, self.groups, strict=True):
            side_by_side = grad[group].transpose(0, 1).reshape(len(shared), -1)
            weight_grad = self.layer.weight_grad[group].view(-1, shared.shape[1])
            torch.mm(side_by_side.t(), shared, out=weight_grad)
        del self._x
        return grad


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
