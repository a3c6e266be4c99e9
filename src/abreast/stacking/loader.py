"""Each lane's training mini-batches, in the order of its seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from abreast.data.datamodule import DataModule
from abreast.data.loader import Augmentation, ResumableLoader
from abreast.stacking.lane import Lane
from abreast.stacking.parameters import BufferPool
from abreast.stacking.training_rows import LaneOrder, TrainingRows


@dataclass(frozen=True, eq=False)
class StackBlock:
    """Consecutive mini-batches of one epoch.

    Attributes:
        rows: The rows that all lanes train on.
        orders: Positions in their inputs, int64 `[K, examples]`, those of the longest lane's mini-batches.
        offsets: What a lane adds to these for its positions in the targets, int64 `[K, 1]`; None for 0.
        batch_size: Examples in a mini-batch; the last one may have fewer.
        start: Mini-batches of the epoch that come before.
        augments: What is done to the examples of each lane; () for nothing.
    """

    rows: TrainingRows
    orders: Tensor
    offsets: Tensor | None
    batch_size: int
    start: int = 0
    augments: Sequence[Augmentation] = ()

    def __len__(self) -> int:
        return math.ceil(self.orders.shape[1] / self.batch_size)

    def first(self, batches: int) -> StackBlock:
        """The block's first mini-batches."""
        return replace(self, orders=self.orders[:, : batches * self.batch_size])

    def examples(self, per_epoch: int) -> int:
        """The examples of the block in a lane whose epoch has so many."""
        return min(self.orders.shape[1], max(0, per_epoch - self.start * self.batch_size))

    def of(self, lanes: slice, examples: int, only: Sequence[int] | None = None) -> StackBlock:
        """The block of some lanes.

        Args:
            lanes: The lanes of a chunk.
            examples: How many examples of the block each of these lanes has.
            only: Positions among these lanes, to keep only those; None for all.
        """
        orders = self.orders[lanes, :examples]
        offsets = None if self.offsets is None else self.offsets[lanes]
        augments = self.augments[lanes]
        if only is not None:
            orders = orders[list(only)]
            offsets = None if offsets is None else offsets[list(only)]
            augments = [augments[lane] for lane in only] if augments else ()
        return replace(self, orders=orders, offsets=offsets, augments=augments)

    def positions(self) -> Sequence[Tensor]:
        """The positions of each mini-batch's examples in the inputs and in the targets: `[1 or 2, K, B]`."""
        if not self.orders.shape[1]:
            return ()
        both = [self.orders] if self.offsets is None else [self.orders, self.orders + self.offsets]
        return torch.split(torch.stack(both), self.batch_size, 2)

    def gather(self, positions: Tensor, number: int, buffers: BufferPool) -> tuple[Tensor, Tensor]:
        """Inputs `[K, B, *shape]` and targets `[K, B]` of a mini-batch.

        Args:
            positions: Its positions, of `positions`.
            number: Its number in the epoch.
            buffers: Where the inputs are gathered, each mini-batch over the one before.
        """
        inputs, targets = self.rows.inputs, self.rows.targets
        flat, shape = positions[0].reshape(-1), positions.shape[1:]
        buffer = buffers.dense(len(flat), *inputs.shape[1:], like=inputs)
        gathered = torch.index_select(inputs, 0, flat, out=buffer).view(*shape, *inputs.shape[1:])
        labels = flat if len(positions) == 1 else positions[1].reshape(-1)
        batch = gathered, targets.index_select(0, labels).view(*shape, *targets.shape[1:])
        if not self.augments:
            return batch
        augmented = [augment(x, y, number) for augment, x, y in zip(self.augments, *batch, strict=True)]
        return torch.stack([x for x, _ in augmented]), torch.stack([y for _, y in augmented])


class StackLoader(ResumableLoader):
    """Blocks of `steps` mini-batches, for lanes that may change between two epochs.

    The state is the position within the epoch, as in an individual run's loader. Lanes may have epochs of
    different lengths: the last block begins before the shortest one ends, and holds all that the longest has
    left. So every position at which a training can be resumed is one within all lanes' epochs.

    Lanes may be at different epochs. One that joins must not have shorter epochs than all of the first lanes.

    Args:
        lanes: Gives the lanes, as an epoch begins.
    """

    def __init__(self, lanes: Callable[[], Sequence[Lane]]) -> None:
        self._lanes = lanes
        self._modules: list[DataModule] = []
        self._rows: TrainingRows
        modules = self._use_modules(lanes())
        lengths = [module.batches_per_epoch for module in modules]
        super().__init__(max(lengths), modules[0].steps)
        self.shortest = min(lengths)
        self.batch_size = modules[0].batch_size
        self.shuffle = modules[0].shuffle

    def _use_modules(self, lanes: Sequence[Lane]) -> list[DataModule]:
        """Each lane's data module; their rows are put together again if there are new ones."""
        modules = [lane.data for lane in lanes]
        if not set(modules) <= set(self._modules):
            self._modules = [*dict.fromkeys(modules)]
            self._rows = TrainingRows(self._modules)
        return modules

    def __len__(self) -> int:
        return math.ceil(self.shortest / self.steps)

    def __iter__(self) -> Iterator[StackBlock]:
        lanes = self._lanes()
        modules = self._use_modules(lanes)
        self.batches = max(module.batches_per_epoch for module in modules)
        order = self._rows.orders(
            [LaneOrder(lane.data, lane.cfg["seed"], lane.epoch if self.shuffle else 0) for lane in lanes]
        )
        offsets = self._rows.target_offsets(modules)
        drawn = [lane.data.augmentation(lane.cfg["seed"], lane.epoch) for lane in lanes]
        augments = [augment for augment in drawn if augment is not None]
        self._done, self._start = self._start, 0
        while self._done < self.batches:
            start, end = self._done, (self._done // self.steps + 1) * self.steps
            if end >= self.shortest:
                end = self.batches
            self._done = end
            block = order[:, start * self.batch_size : end * self.batch_size]
            yield StackBlock(self._rows, block, offsets, self.batch_size, start, augments)
