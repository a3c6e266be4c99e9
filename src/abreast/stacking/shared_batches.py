"""Lanes of one seed have their mini-batches in common: gathered once, multiplied by all weights at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from abreast.stacking.layers import Linear
from abreast.stacking.sequential import StackedMLP


def alike(seeds: Sequence[int]) -> list[slice]:
    """The runs of neighbouring lanes that have one seed, and so one order of the rows."""
    found: list[slice] = []
    for _, lanes in groupby(range(len(seeds)), lambda lane: seeds[lane]):
        own = list(lanes)
        found.append(slice(own[0], own[-1] + 1))
    return found


def spread(values: Tensor, groups: Sequence[slice]) -> Tensor:
    """Each group's `[G, ...]` for each of its lanes: `[K, ...]`."""
    counts = torch.tensor([lanes.stop - lanes.start for lanes in groups], device=values.device)
    return values.repeat_interleave(counts, 0)


class SharedLinear:
    """The first layer, for inputs `[G, B, in]` that the lanes of each of the `groups` have in common.

    One product with all their weights. It may add up in another order than a lane's own product: equal to it
    within rounding, not to the bit.
    """

    def __init__(self, layer: Linear, groups: Sequence[slice]) -> None:
        self.layer = layer
        self.groups = groups
        self._x: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Hidden values `[K, B, out]`."""
        self._x = x
        lanes, outputs, inputs = self.layer.weight.shape
        out = self.layer.outs(lanes, x.shape[1], outputs, like=x)
        for rows, own in zip(x, self.groups, strict=True):
            found = torch.mm(rows, self.layer.weight[own].view(-1, inputs).t())
            out[own] = found.view(len(rows), -1, outputs).transpose(0, 1)
        if self.layer.bias is not None:
            out += self.layer.bias[:, None]
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """Only the parameters' gradients: nobody asks for the inputs'."""
        if self.layer.bias_grad is not None:
            torch.sum(self.layer.dense(grad), 1, out=self.layer.bias_grad)
        for rows, own in zip(self._x, self.groups, strict=True):
            side_by_side = grad[own].transpose(0, 1).reshape(len(rows), -1)
            torch.mm(side_by_side.t(), rows, out=self.layer.grad[own].view(-1, rows.shape[1]))
        del self._x
        return grad


def share(net: StackedMLP, groups: Sequence[slice]) -> bool:
    """Let the network take `[G, B, *shape]`, one input for each group of lanes; whether that is possible."""
    first = net.layers[1]
    assert isinstance(first, Linear)
    if not first.weight.is_contiguous():  # lanes with gaps between them are not one matrix
        return False
    net.layers[1] = SharedLinear(first, groups)
    return True
