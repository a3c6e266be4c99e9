"""A mini-batch shared by ranks: loss, gradient and batch norm are those of the whole mini-batch.

DistributedDataParallel gives each rank the mean of the ranks' gradients. That is the whole mini-batch's only
where all ranks hold rows that count for as much, so a rank's loss is weighted by what its rows count for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from abreast.data.rank_shard import Part
from abreast.learner.block_step import needs_closure
from abreast.metrics.stage import StageMetrics

if TYPE_CHECKING:
    from abreast.learner.module import Learner

TINY = 1e-30  # what rows that count for nothing are taken to count for, for a mean over the others as well


def part_loss(learner: Learner, part: Part, *, measure: bool) -> Tensor:
    """The loss of a rank's part, such that the mean of all ranks' gradients is the whole mini-batch's.

    Its value is the rank's own, but the whole mini-batch's for optimizers that decide by it (LBFGS): they
    would decide otherwise on each rank. With `measure` the part counts in the epoch's metrics.
    """
    world = learner.trainer.world_size
    meter = learner.train_meter if measure else None
    if part.is_empty:
        with _absent(learner.net):
            loss = _raised(learner.forward(part.inputs)).sum() * 0.0
    elif isinstance(learner.loss.weight(part.targets), Tensor) and hasattr(
        learner.loss.criterion, "reduction"
    ):
        loss = _weighted(learner, part, meter) * world
    else:
        loss = learner._step(part, meter) * (world * len(part.targets) / len(part.whole))
    if measure:
        learner.losses.append(loss.detach() / world)  # their sum over the ranks is the mini-batch's loss
    if needs_closure(learner.trainer.optimizers[0]):
        whole = loss.detach() / world
        dist.all_reduce(whole)
        loss = loss + (whole - loss.detach())
    return loss


def _weighted(learner: Learner, part: Part, meter: StageMetrics | None) -> Tensor:
    """The part's share of a loss whose rows count for more or less, by class weights or `ignore_index`.

    It is taken from the sum over the part: the mean over rows that count for nothing is nan.
    """
    loss: Any = learner.loss
    scores = learner.forward(part.inputs)
    loss.criterion.reduction = "sum"
    try:
        total: Tensor = loss(scores, part.targets)
    finally:
        loss.criterion.reduction = "mean"
    if meter is not None:
        own = loss.weight(part.targets).clamp(min=TINY)
        meter.update(total / own, own, scores, part.targets)
    whole = loss.weight(part.whole).to(total.dtype)
    return total / torch.where(part.whole.eq(loss.ignore_index).all(), 1.0, whole)


def _raised(values: Tensor) -> Tensor:
    """16-bit values as float32, others as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def sum_losses(losses: list[Tensor]) -> Tensor:
    """The mini-batches' losses `[S]` from every rank's shares of them, which are changed to them in place."""
    whole = torch.stack(losses)
    dist.all_reduce(whole)
    for own, value in zip(losses, whole.unbind(), strict=True):
        own.copy_(value)
    return whole


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
        values = _raised(input)
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
def _absent(net: nn.Module) -> Iterator[None]:
    norms = [module for module in net.modules() if isinstance(module, SharedNorm)]
    for norm in norms:
        norm.absent = True
    try:
        yield
    finally:
        for norm in norms:
            norm.absent = False
