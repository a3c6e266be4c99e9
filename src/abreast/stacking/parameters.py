"""The lanes' weights, gradients and buffers in one block of memory each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ALIGNED = 64  # bytes: where torch's allocator begins a tensor, on which a matrix product's rounding depends


def room(lanes: int, *shape: int, like: Tensor) -> Tensor:
    """Memory for `[lanes, *shape]`; each lane is contiguous and begins where a tensor of its own would."""
    values = math.prod(shape)
    step = max(1, ALIGNED // like.element_size())
    if values % step == 0:
        return torch.empty(lanes, *shape, dtype=like.dtype, device=like.device)
    padded = torch.empty(lanes, math.ceil(values / step) * step, dtype=like.dtype, device=like.device)
    return padded[:, :values].view(lanes, *shape)


class BufferPool:
    """Memory by shape, given out again each time: fresh pages would cost more than what is written there.

    `most` shapes are kept; with 0 every room is a new one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, *shape: int, like: Tensor, rows_first: bool = False) -> Tensor:
        """As `room`; with `rows_first` the lanes lie side by side in memory, `[B, K, ...]`."""

        def make() -> Tensor:
            if rows_first:
                return room(shape[1], shape[0], *shape[2:], like=like).transpose(0, 1)
            return room(*shape, like=like)

        return self._keep((rows_first, *shape), make)

    def dense(self, *shape: int, like: Tensor) -> Tensor:
        """As `torch.empty`."""
        return self._keep(shape, lambda: torch.empty(shape, dtype=like.dtype, device=like.device))

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Tensor]) -> Tensor:
        found = self._kept.get(key)
        if found is None:
            found = make()
            if len(self._kept) < self.most:
                self._kept[key] = found
        return found


def aligned(x: Tensor) -> Tensor:
    """The tensor, or a copy of it with lanes that lie as a tensor of their own would."""
    step = ALIGNED // x.element_size()
    is_rows_first = x.ndim == 3 and x.stride(-1) == 1 and x.stride(1) % step == 0
    if x.stride(0) % step == 0 and (is_rows_first or x[0].is_contiguous()):
        return x
    return room(*x.shape, like=x).copy_(x)


def stacked(lanes: int, like: Tensor) -> Tensor:
    """Zeros `[lanes, *like.shape]`, as `room` gives them; what is between the lanes is zero too."""
    values = like.numel()
    step = max(1, ALIGNED // like.element_size())
    padded = math.ceil(values / step) * step
    whole = torch.zeros(lanes, padded, dtype=like.dtype, device=like.device)
    return whole[:, :values].view(lanes, *like.shape)


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

    def gradient_norms(self) -> Tensor:
        """The norm of each lane's whole gradient, `[K]`."""
        each = [torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in self.gradients.values()]
        norms: Tensor = torch.linalg.vector_norm(torch.stack(each, 1), dim=1)
        return norms


def own_memory(net: nn.Module) -> None:
    """Give the network parameters and buffers of its own, with the values that they have; no gradients."""
    for parameter in net.parameters():
        parameter.data = parameter.detach().clone()
        parameter.grad = None
    for module in net.modules():
        for key, buffer in module._buffers.items():
            module._buffers[key] = None if buffer is None else buffer.clone()


def _take_in(name: str, own: Sequence[Tensor]) -> Tensor:
    values = stacked(len(own), own[0].detach())
    for lane, tensor in enumerate(own):
        if tensor.shape != own[0].shape:
            raise ValueError(
                f"{name} is {list(tensor.shape)} in lane {lane}, {list(own[0].shape)} in the first"
            )
        values[lane].copy_(tensor.detach())
    return values
