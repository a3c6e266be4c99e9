"""The lanes' weights, gradients and buffers in one block of memory each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

ALIGNED = 64  # bytes: where torch's allocator begins a tensor, on which a matrix product's rounding depends
ALIGNED_FLOATS = ALIGNED // 4  # float32 values: lanes of a multiple of this many begin aligned


def _padded(values: int, like: Tensor) -> int:
    """The number of values, rounded up to whole units of `ALIGNED` bytes."""
    unit = max(1, ALIGNED // like.element_size())
    return math.ceil(values / unit) * unit


def aligned_empty(lanes: int, *shape: int, like: Tensor) -> Tensor:
    """Uninitialised `[lanes, *shape]`; each lane is contiguous, and aligned as a separate tensor is."""
    values = math.prod(shape)
    padded = _padded(values, like)
    if values == padded:
        return torch.empty(lanes, *shape, dtype=like.dtype, device=like.device)
    memory = torch.empty(lanes, padded, dtype=like.dtype, device=like.device)
    return memory[:, :values].view(lanes, *shape)


def stacked_zeros(lanes: int, like: Tensor) -> Tensor:
    """Zeros `[lanes, *like.shape]`, aligned as by `aligned_empty`; the padding is zero too."""
    values = like.numel()
    memory = torch.zeros(lanes, _padded(values, like), dtype=like.dtype, device=like.device)
    return memory[:, :values].view(lanes, *like.shape)


def flat_by_lane(x: Tensor) -> Tensor:
    """`[K, values]` of `[K, *shape]` in the same memory; a parameter that is one number has no shape."""
    return x.view(len(x), 1) if x.ndim == 1 else x.flatten(1)


def align(x: Tensor) -> Tensor:
    """Return `x` if its lanes are aligned, else a copy that is."""
    step = ALIGNED // x.element_size()
    is_batch_major = x.ndim == 3 and x.stride(-1) == 1 and x.stride(1) % step == 0
    if x.stride(0) % step == 0 and (is_batch_major or x[0].is_contiguous()):
        return x
    return aligned_empty(*x.shape, like=x).copy_(x)


class BufferPool:
    """Uninitialised memory by shape, handed out again each time: fresh pages cost more than writing to them.

    Args:
        most: The number of shapes that are kept; with 0 every buffer is a new one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._buffers: dict[tuple[int, ...], Tensor] = {}

    def aligned(self, *shape: int, like: Tensor, batch_major: bool = False) -> Tensor:
        """As `aligned_empty`; with `batch_major` the lanes of an example are neighbours in memory."""

        def allocate() -> Tensor:
            if batch_major:
                return aligned_empty(shape[1], shape[0], *shape[2:], like=like).transpose(0, 1)
            return aligned_empty(*shape, like=like)

        return self._get((batch_major, *shape), allocate)

    def dense(self, *shape: int, like: Tensor) -> Tensor:
        """As `torch.empty`."""
        return self._get(shape, lambda: torch.empty(shape, dtype=like.dtype, device=like.device))

    def _get(self, key: tuple[int, ...], allocate: Callable[[], Tensor]) -> Tensor:
        buffer = self._buffers.get(key)
        if buffer is None:
            buffer = allocate()
            if len(self._buffers) < self.most:
                self._buffers[key] = buffer
        return buffer


class StackedState:
    """Parameters, gradients and buffers of networks of one architecture, stacked `[K, *shape]`, by name.

    The networks' own parameters, gradients and buffers become views of their lane, and keep their values:
    what changes a lane's slice changes its network, and the other way round.

    Raises:
        ValueError: The networks' shapes differ.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.lanes = len(nets)
        self.parameters: dict[str, nn.Parameter] = {}
        self.gradients: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        for name, first in nets[0].named_parameters():
            lane_parameters = [net.get_parameter(name) for net in nets]
            values = _stacked_copy(name, lane_parameters)
            gradients = stacked_zeros(self.lanes, first)
            for lane, parameter in enumerate(lane_parameters):
                parameter.data = values[lane]
                parameter.grad = gradients[lane]
            self.parameters[name] = nn.Parameter(values)
            self.parameters[name].grad = gradients
            self.gradients[name] = gradients
        for name, _ in nets[0].named_buffers():
            values = _stacked_copy(name, [net.get_buffer(name) for net in nets])
            for lane, net in enumerate(nets):
                owner, _, key = name.rpartition(".")
                net.get_submodule(owner)._buffers[key] = values[lane]
            self.buffers[name] = values

    def gradient_norms(self) -> Tensor:
        """The norm of each lane's gradient over all parameters, `[K]`."""
        norms = [torch.linalg.vector_norm(flat_by_lane(grad), dim=1) for grad in self.gradients.values()]
        total: Tensor = torch.linalg.vector_norm(torch.stack(norms, 1), dim=1)
        return total


def detach_from_stack(net: nn.Module) -> None:
    """Copy the network's parameters and buffers out of the stack's memory, and drop its gradients."""
    for parameter in net.parameters():
        parameter.data = parameter.detach().clone()
        parameter.grad = None
    for module in net.modules():
        for key, buffer in module._buffers.items():
            module._buffers[key] = None if buffer is None else buffer.clone()


def _stacked_copy(name: str, tensors: Sequence[Tensor]) -> Tensor:
    values = stacked_zeros(len(tensors), tensors[0].detach())
    for lane, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise ValueError(
                f"{name} is {list(tensor.shape)} in lane {lane}, {list(tensors[0].shape)} in the first"
            )
        values[lane].copy_(tensor.detach())
    return values
