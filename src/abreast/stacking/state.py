"""The lanes' weights, gradients and buffers in one block of memory each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

ALIGNED = 64  # bytes: where torch's allocator begins a tensor, on which a matrix product's rounding depends


def stacked(lanes: int, like: Tensor) -> Tensor:
    """Zeros `[lanes, *like.shape]`; each lane is contiguous and begins where a tensor of its own would."""
    values = like.numel()
    step = max(1, ALIGNED // like.element_size())
    padded = math.ceil(values / step) * step
    room = torch.zeros(lanes, padded, dtype=like.dtype, device=like.device)
    return room[:, :values].view(lanes, *like.shape)


class State:
    """Parameters, gradients and buffers of equal networks, stacked `[K, *shape]`, by their plain names.

    Taking the networks in turns their own parameters, gradients and buffers into views of their lane, with
    the values they had: what changes a lane's slice changes its network, and the other way round.
    Raises ValueError where the networks are not of one shape.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.lanes = len(nets)
        self.parameters: dict[str, nn.Parameter] = {}
        self.gradients: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        for name, first in nets[0].named_parameters():
            own = [net.get_parameter(name) for net in nets]
            values = _take_in(name, own)
            gradients = stacked(self.lanes, first)
            for lane, parameter in enumerate(own):
                parameter.data = values[lane]
                parameter.grad = gradients[lane]
            self.parameters[name] = nn.Parameter(values)
            self.parameters[name].grad = gradients
            self.gradients[name] = gradients
        for name, _ in nets[0].named_buffers():
            own_buffers = [net.get_buffer(name) for net in nets]
            values = _take_in(name, own_buffers)
            for lane, net in enumerate(nets):
                owner, _, key = name.rpartition(".")
                net.get_submodule(owner)._buffers[key] = values[lane]
            self.buffers[name] = values


def _take_in(name: str, own: Sequence[Tensor]) -> Tensor:
    values = stacked(len(own), own[0].detach())
    for lane, tensor in enumerate(own):
        if tensor.shape != own[0].shape:
            raise ValueError(
                f"{name} is {list(tensor.shape)} in lane {lane}, {list(own[0].shape)} in the first"
            )
        values[lane].copy_(tensor.detach())
    return values
