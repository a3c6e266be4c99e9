"""Batch norm over the rows of all ranks, on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from abreast.runtime.half import to_float32


class _Sum(torch.autograd.Function):
    """The sum over all ranks, forward and backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose mean and variance are those of all ranks' rows, on any device.

    torch's own SyncBatchNorm wants a GPU. While `absent`, this rank's rows do not count.
    """

    absent = False

    def forward(self, input: Tensor) -> Tensor:
        """Same shape as the input."""
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        values = to_float32(input)
        over = [0, *range(2, input.dim())]
        shape = [1, -1] + [1] * (input.dim() - 2)
        mine = values[:0] if self.absent else values
        count = values.new_tensor([mine.numel() / mine.shape[1]])
        sums = _Sum.apply(torch.cat([mine.sum(over), count]))
        mean, rows = sums[:-1] / sums[-1], sums[-1].detach()
        centred = values - mean.view(shape)
        spread = centred[:0] if self.absent else centred
        variance = _Sum.apply(spread.square().sum(over)) / rows
        if self.training and self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            factor = self.momentum
            if factor is None:
                factor = 1.0 / float(self.num_batches_tracked)
            with torch.no_grad():
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
                unbiased = variance * (rows / (rows - 1))
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)
        result = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            result = result * self.weight.view(shape)
        if self.bias is not None:
            result = result + self.bias.view(shape)
        output: Tensor = result.to(input.dtype)
        return output


class _Shared1d(SharedNorm, nn.BatchNorm1d): ...


class _Shared2d(SharedNorm, nn.BatchNorm2d): ...


class _Shared3d(SharedNorm, nn.BatchNorm3d): ...


SHARED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _Shared1d,
    nn.BatchNorm2d: _Shared2d,
    nn.BatchNorm3d: _Shared3d,
}


def share_norms(net: nn.Module) -> None:
    """Let the network's batch norms count all ranks' rows; the names in its state stay."""
    for module in net.modules():
        kind = SHARED.get(type(module))
        if kind is not None:
            module.__class__ = kind


@contextmanager
def absent(net: nn.Module) -> Iterator[None]:
    """Inside, this rank's rows do not count in the network's shared batch norms."""
    norms = [module for module in net.modules() if isinstance(module, SharedNorm)]
    for norm in norms:
        norm.absent = True
    try:
        yield
    finally:
        for norm in norms:
            norm.absent = False
