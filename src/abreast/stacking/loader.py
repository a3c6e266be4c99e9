"""Each lane's training mini-batches, in the order of its seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from abreast.data.datamodule import DataModule
from abreast.data.loader import Augmentation, ResumableLoader
from abreast.stacking.parameters import BufferPool
from abreast.stacking.training_rows import TrainingRows


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

    def __init__(
        self,
        rows: TrainingRows,
        orders: Tensor,
        offsets: Tensor | None,
        batch_size: int,
        start: int = 0,
        augments: Sequence[Augmentation] = (),
    ) -> None:
        self.rows = rows
        self.augments = augments
        self.start = start
        self.orders = orders
        self.offsets = offsets
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.orders.shape[1] / self.batch_size)

    def first(self, batches: int) -> StackBlock:
        """The block's first mini-batches."""
        orders = self.orders[:, : batches * self.batch_size]
        return StackBlock(self.rows, orders, self.offsets, self.batch_size, self.start, self.augments)

    def examples(self, per_epoch: int) -> int:
        """The examples of the block in a lane whose epoch has so many."""
        return min(self.orders.shape[1], max(0, per_epoch - self.start * self.batch_size))

    def batches(
        self, lanes: slice, examples: int, buffers: BufferPool, only: Sequence[int] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs `[K, B, *shape]` and targets `[K, B]` of some lanes, one mini-batch at a time.

        Args:
            lanes: The lanes of a chunk.
            examples: How many examples of the block each of these lanes has.
            buffers: Where the inputs are gathered, each mini-batch over the one before.
            only: Positions among these lanes, to gather only their examples; None for all.
        """
        if not examples:
            return
        inputs, targets = self.rows.inputs, self.rows.targets
        orders = self.orders[lanes, :examples]
        offsets = None if self.offsets is None else self.offsets[lanes]
        augments = self.augments[lanes]
        if only is not None:
            orders = orders[list(only)]
            offsets = None if offsets is None else offsets[list(only)]
            augments = [augments[lane] for lane in only] if augments else ()
        for number, rows in enumerate(torch.split(orders, self.batch_size, 1), self.start):
            flat = rows.reshape(-1)
            shape = rows.shape
            buffer = buffers.dense(len(flat), *inputs.shape[1:], like=inputs)
            labels = flat if offsets is None else (rows + offsets).reshape(-1)
            gathered = torch.index_select(inputs, 0, flat, out=buffer).view(*shape, *inputs.shape[1:])
            batch = gathered, targets.index_select(0, labels).view(*shape, *targets.shape[1:])
            if augments:
                by_lane = zip(augments, *batch, strict=True)
                augmented = [augment(x, y, number) for augment, x, y in by_lane]
                batch = torch.stack([x for x, _ in augmented]), torch.stack([y for _, y in augmented])
            yield batch


class StackLoader(ResumableLoader):
    """Blocks of `steps` mini-batches, for `lanes`, which may change between two epochs.

    The state is the position within the epoch, as in an individual run's loader. Lanes may have epochs of
    different lengths: the last block begins before the shortest one ends, and holds all that the longest has
    left. So every position at which a training can be resumed is one within all lanes' epochs.

    Args:
        lanes: Each lane's data module and seed.
    """

    def __init__(self, lanes: Sequence[tuple[DataModule, int]]) -> None:
        lengths = [module.batches_per_epoch for module, _ in lanes]
        data, _ = lanes[0]
        super().__init__(max(lengths), data.steps)
        self.lanes = lanes
        self.shortest = min(lengths)
        self.batch_size = data.batch_size
        self.shuffle = data.shuffle
        self._rows = TrainingRows([*dict.fromkeys(module for module, _ in lanes)])

    def __len__(self) -> int:
        return math.ceil(self.shortest / self.steps)

    def __iter__(self) -> Iterator[StackBlock]:
        order = self._rows.orders(self.lanes, self.epoch if self.shuffle else 0)
        offsets = self._rows.target_offsets(self.lanes)
        drawn = [module.augmentation(seed, self.epoch) for module, seed in self.lanes]
        augments = [augment for augment in drawn if augment is not None]
        self._done, self._start = self._start, 0
        while self._done < self.batches:
            start, end = self._done, (self._done // self.steps + 1) * self.steps
            if end >= self.shortest:
                end = self.batches
            self._done = end
            block = order[:, start * self.batch_size : end * self.batch_size]
            yield StackBlock(self._rows, block, offsets, self.batch_size, start, augments)
