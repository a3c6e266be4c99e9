"""A mini-batch shared by several ranks: its loss and gradient are those of single-process training.

DistributedDataParallel gives each rank the mean of the ranks' gradients. That is the whole mini-batch's only
where the rows of all ranks have the same total weight, so a rank's loss is weighted by that of its rows.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from abreast.data.rank_shard import RankShard
from abreast.learner.shared_norm import absent
from abreast.losses import Loss
from abreast.metrics.stage import StageMetrics
from abreast.runtime.half import to_float32

TINY = 1e-30  # weight given to rows of weight 0, so that their mean over all ranks is defined


class ShardModule(Protocol):
    """What a shard's loss needs of the module in training; nothing of it is set."""

    net: nn.Module
    loss: Loss

    def forward(self, inputs: Tensor) -> Tensor: ...

    def batch_loss(self, batch: RankShard, metrics: StageMetrics | None) -> Tensor: ...


def shard_loss(module: ShardModule, shard: RankShard, metrics: StageMetrics | None, world: int) -> Tensor:
    """A rank's loss, such that the mean of all ranks' gradients is the gradient of the whole mini-batch.

    Args:
        module: The module in training.
        shard: This rank's rows of the mini-batch.
        metrics: Where the rows are counted, or None.
        world: The number of ranks.

    Returns:
        A 0-d tensor; its mean over the ranks is the mini-batch's loss.
    """
    if shard.is_empty:
        with absent(module.net):
            return to_float32(module.forward(shard.inputs)).sum() * 0.0
    weighs_rows = isinstance(module.loss.weight(shard.targets), Tensor)
    if weighs_rows and hasattr(module.loss.criterion, "reduction"):
        return _weighted_loss(module, shard, metrics) * world
    return module.batch_loss(shard, metrics) * (world * len(shard.targets) / len(shard.global_targets))


def _weighted_loss(module: ShardModule, shard: RankShard, metrics: StageMetrics | None) -> Tensor:
    """The shard's part of a loss whose rows have different weights, by class weights or `ignore_index`.

    It is computed from the sum over the shard, as the mean over rows of weight 0 is nan.
    """
    loss: Any = module.loss
    scores = module.forward(shard.inputs)
    loss.criterion.reduction = "sum"
    try:
        total: Tensor = loss(scores, shard.targets)
    finally:
        loss.criterion.reduction = "mean"
    if metrics is not None:
        weight = loss.weight(shard.targets).clamp(min=TINY)
        metrics.update(total / weight, weight, scores, shard.targets)
    weight = loss.weight(shard.global_targets).to(total.dtype)
    return total / torch.where(shard.global_targets.eq(loss.ignore_index).all(), 1.0, weight)


def with_value_of_all(loss: Tensor, world: int) -> Tensor:
    """The shard's loss with the value of the whole mini-batch's loss; its gradient is unchanged.

    Optimizers that decide by the value (LBFGS) would otherwise decide differently on each rank.
    """
    value = loss.detach() / world
    dist.all_reduce(value)
    return loss + (value - loss.detach())


def sum_losses(losses: list[Tensor]) -> Tensor:
    """Sum each mini-batch's loss over the ranks, also in place.

    Args:
        losses: S tensors, 0-d: this rank's parts of the losses of S mini-batches.

    Returns:
        The losses of the mini-batches, `[S]`.
    """
    totals = torch.stack(losses)
    dist.all_reduce(totals)
    for loss, total in zip(losses, totals.unbind(), strict=True):
        loss.copy_(total)
    return totals
