"""Each lane's training mini-batches, in the order that its own seed gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from abreast.data.loader import ResumableLoader, epoch_order
from abreast.data.source import Split
from abreast.stacking.parameters import BufferPool


class StackBlock:
    """Consecutive mini-batches of one epoch, as rows of a split: `orders` is int64 `[K, R]`."""

    def __init__(self, split: Split, orders: Tensor, batch_size: int, start: int = 0) -> None:
        self.split = split
        self.start = start  # mini-batches of the epoch before
        self.orders = orders
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.orders.shape[1] / self.batch_size)

    def first(self, batches: int) -> StackBlock:
        """The first mini-batches alone."""
        orders = self.orders[:, : batches * self.batch_size]
        return StackBlock(self.split, orders, self.batch_size, self.start)

    def of(
        self, lanes: slice, rooms: BufferPool, firsts: Sequence[int] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs `[K, B, *shape]` and targets `[K, B]` of some lanes, one mini-batch at a time.

        The inputs are in one of the `rooms`, where the next ones will be. With `firsts` only of these lanes.
        """
        inputs, targets = self.split.inputs, self.split.targets
        orders = self.orders[lanes] if firsts is None else self.orders[lanes][list(firsts)]
        for rows in torch.split(orders, self.batch_size, 1):
            flat = rows.reshape(-1)
            shape = rows.shape
            room = rooms.dense(len(flat), *inputs.shape[1:], like=inputs)
            yield (
                torch.index_select(inputs, 0, flat, out=room).view(*shape, *inputs.shape[1:]),
                targets.index_select(0, flat).view(*shape, *targets.shape[1:]),
            )


class StackLoader(ResumableLoader):
    """Blocks of `steps` mini-batches, for lanes of these `seeds`, which may change between two epochs.

    The state is the place within the epoch, as in a plain run's loader.
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
