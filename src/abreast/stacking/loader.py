"""Each lane's training mini-batches, in the order of its seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from abreast.data.loader import ResumableLoader, epoch_order
from abreast.data.source import Split
from abreast.stacking.parameters import BufferPool


class StackBlock:
    """Consecutive mini-batches of one epoch.

    Attributes:
        split: The training examples.
        orders: Positions in the split, int64 `[K, examples]`.
        batch_size: Examples in a mini-batch; the last one may have fewer.
        start: Mini-batches of the epoch that come before.
    """

    def __init__(self, split: Split, orders: Tensor, batch_size: int, start: int = 0) -> None:
        self.split = split
        self.start = start
        self.orders = orders
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.orders.shape[1] / self.batch_size)

    def first(self, batches: int) -> StackBlock:
        """The block's first mini-batches."""
        orders = self.orders[:, : batches * self.batch_size]
        return StackBlock(self.split, orders, self.batch_size, self.start)

    def batches(
        self, lanes: slice, buffers: BufferPool, only: Sequence[int] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs `[K, B, *shape]` and targets `[K, B]` of some lanes, one mini-batch at a time.

        Args:
            lanes: The lanes of a chunk.
            buffers: Where the inputs are gathered, each mini-batch over the one before.
            only: Positions among these lanes, to gather only their examples; None for all.
        """
        inputs, targets = self.split.inputs, self.split.targets
        orders = self.orders[lanes] if only is None else self.orders[lanes][list(only)]
        for rows in torch.split(orders, self.batch_size, 1):
            flat = rows.reshape(-1)
            shape = rows.shape
            buffer = buffers.dense(len(flat), *inputs.shape[1:], like=inputs)
            yield (
                torch.index_select(inputs, 0, flat, out=buffer).view(*shape, *inputs.shape[1:]),
                targets.index_select(0, flat).view(*shape, *targets.shape[1:]),
            )


class StackLoader(ResumableLoader):
    """Blocks of `steps` mini-batches, for lanes of these `seeds`, which may change between two epochs.

    The state is the position within the epoch, as in an individual run's loader.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seeds: Sequence[int],
        steps: int,
        batches: int,
        shuffle: bool = True,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.seeds = seeds
        self.shuffle = shuffle
        super().__init__(batches, steps)

    def __iter__(self) -> Iterator[StackBlock]:
        rows = len(self.split.targets)
        epoch = self.epoch if self.shuffle else 0
        orders = {seed: epoch_order(rows, seed, epoch) for seed in set(self.seeds)}
        order = torch.stack([orders[seed] for seed in self.seeds]).to(self.split.targets.device)
        self._done, self._start = self._start, 0
        while self._done < self.batches:
            start, end = self._done, min((self._done // self.steps + 1) * self.steps, self.batches)
            self._done = end
            block = order[:, start * self.batch_size : end * self.batch_size]
            yield StackBlock(self.split, block, self.batch_size, start)
