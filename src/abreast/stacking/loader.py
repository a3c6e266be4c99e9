"""Each lane's training mini-batches, in the order that its own seed gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from abreast.data.loader import epoch_order
from abreast.data.source import Split


class StackBlock:
    """Consecutive mini-batches of one epoch, as rows of a split: `orders` is int64 `[K, R]`."""

    def __init__(self, split: Split, orders: Tensor, batch_size: int) -> None:
        self.split = split
        self.orders = orders
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.orders.shape[1] / self.batch_size)

    def first(self, batches: int) -> StackBlock:
        """The first mini-batches alone."""
        return StackBlock(self.split, self.orders[:, : batches * self.batch_size], self.batch_size)

    def of(self, lanes: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs `[K, B, *shape]` and targets `[K, B]` of some lanes, one mini-batch at a time."""
        inputs, targets = self.split.inputs, self.split.targets
        for rows in torch.split(self.orders[lanes], self.batch_size, 1):
            flat = rows.reshape(-1)
            shape = rows.shape
            yield (
                inputs.index_select(0, flat).view(*shape, *inputs.shape[1:]),
                targets.index_select(0, flat).view(*shape, *targets.shape[1:]),
            )


class StackLoader:
    """Blocks of `steps` mini-batches. The state is the place within the epoch, as in a plain run's loader."""

    def __init__(
        self, split: Split, *, batch_size: int, seeds: Sequence[int], steps: int, batches: int
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.seeds = seeds
        self.steps = steps
        self.batches = batches
        self.epoch = 0
        self.sampler = self  # Lightning calls `loader.sampler.set_epoch`
        self._done = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.batches / self.steps)

    def __iter__(self) -> Iterator[StackBlock]:
        rows = len(self.split.targets)
        orders = {seed: epoch_order(rows, seed, self.epoch) for seed in set(self.seeds)}
        order = torch.stack([orders[seed] for seed in self.seeds]).to(self.split.targets.device)
        self._done = 0
        while self._done < self.batches:
            end = min(self._done + self.steps, self.batches)
            block = order[:, self._done * self.batch_size : end * self.batch_size]
            self._done = end
            yield StackBlock(self.split, block, self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        """The place within the epoch; 0 once the epoch is over."""
        return {"batches_done": self._done % self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """A stack begins at the beginning."""
