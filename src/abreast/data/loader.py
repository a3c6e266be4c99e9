"""Mini-batches of a split held in memory, in an order that is a pure function of seed and epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from abreast.config.types import State
from abreast.data.rank_shard import RankShard
from abreast.data.source import Split
from abreast.runtime.seeding import derive

Batch = tuple[Tensor, Tensor] | RankShard
# Of inputs and targets, given their mini-batch's position in the epoch.
Augmentation = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


def epoch_order(rows: int, seed: int, epoch: int) -> Tensor:
    """The order of `rows` rows in an epoch: int64 `[rows]`, a permutation on the CPU."""
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(rows, generator=generator)


class Block:
    """Consecutive mini-batches of one epoch, gathered one at a time as they are asked for.

    `order` is int64 `[R]` on the split's device. Global mini-batches have `batch_size` examples; with more
    than one rank, every `world`-th of them from `rank` on belongs to this one, as a `RankShard`. `start` is
    the number of mini-batches in the epoch before this block, `augment` what is done to the examples.
    """

    def __init__(
        self,
        split: Split,
        order: Tensor,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
        augment: Augmentation | None = None,
    ) -> None:
        self.split = split
        self.augment = augment
        self.start = start
        self.order = order
        self.batch_size = batch_size
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for number, indices in enumerate(self.indices(), self.start):
            if self.world > 1:
                yield RankShard(self.split, indices, self.rank, self.world, self.augment, number)
                continue
            batch = self.gather(indices)
            yield batch if self.augment is None else self.augment(*batch, number)

    def indices(self) -> tuple[Tensor, ...]:
        """The positions of each mini-batch's examples in the split."""
        return torch.split(self.order, self.batch_size)

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The inputs and targets at some positions, as stored."""
        return self.split.inputs.index_select(0, indices), self.split.targets.index_select(0, indices)


class ResumableLoader:
    """A loader of `batches` mini-batches an epoch, `steps` to a block, that can begin within an epoch.

    Its state is the position within the epoch, in mini-batches.
    """

    def __init__(self, batches: int, steps: int) -> None:
        self.batches = batches
        self.steps = steps
        self.epoch = 0
        self.sampler = self  # Lightning calls `loader.sampler.set_epoch`
        self._start = 0
        self._done = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.batches / self.steps)

    def state_dict(self) -> State:
        """The position within the epoch; 0 once the epoch is over."""
        return {"batches_done": self._done % self.batches}

    def load_state_dict(self, state: State) -> None:
        """Let the next iteration begin at a position that `state_dict` returned."""
        self._start = state["batches_done"]


class TrainLoader(ResumableLoader):
    """The training mini-batches, `steps` to a block; with `steps` 1 plain (inputs, targets) batches.

    `batch_size` is that of the global batch, over all ranks. `limit` bounds the mini-batches of an epoch.
    Without `shuffle` every epoch has the order of the first. Its state is the position within the epoch, in
    mini-batches, so training can resume within an epoch.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        steps: int = 1,
        limit: int | None = None,
        rank: int = 0,
        world: int = 1,
        augment: Callable[[int], Augmentation | None] = lambda epoch: None,
    ) -> None:
        self.split = split
        self.augment = augment
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world = world
        count = math.ceil(len(split.targets) / batch_size)
        super().__init__(count if limit is None else min(count, limit), steps)

    def __iter__(self) -> Iterator[Block | Batch]:
        epoch = self.epoch if self.shuffle else 0
        order = epoch_order(len(self.split.targets), self.seed, epoch).to(self.split.targets.device)
        augment = self.augment(self.epoch)
        self._done, self._start = self._start, 0
        while self._done < self.batches:
            end = min((self._done // self.steps + 1) * self.steps, self.batches)
            rows = order[self._done * self.batch_size : end * self.batch_size]
            block = Block(self.split, rows, self.batch_size, self.rank, self.world, self._done, augment)
            self._done = end
            if self.steps == 1:
                yield from block
            else:
                yield block


class EvalLoader:
    """A split in its stored order, `batch_size` examples at a time; every rank has one contiguous range.

    With `as_block` one block of all batches, which pays for Lightning's loop once; without, (inputs,
    targets) batches. `limit` bounds their number.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        as_block: bool = False,
        limit: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        rows = len(split.targets)
        if limit is not None:
            rows = min(rows, limit * batch_size)
        first, last = rank * rows // world, (rank + 1) * rows // world
        self.always = world > 1 and rows > 0  # Lightning leaves out a rank without batches; others would wait
        self.block = StoredBlock(split.between(first, last), batch_size)
        self.as_block = as_block

    def __len__(self) -> int:
        return max(self.always, min(1, len(self.block)) if self.as_block else len(self.block))

    def __iter__(self) -> Iterator[Block | Batch]:
        if not self.as_block and len(self.block):
            yield from self.block
        elif len(self.block) or self.always:
            yield self.block


class StoredBlock(Block):
    """All rows of a split in their stored order."""

    def __init__(self, split: Split, batch_size: int) -> None:
        super().__init__(split, split.targets, batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self.split.batches(self.batch_size) if len(self) else iter(())


def batches(item: Block | Batch) -> Iterable[Batch]:
    """The mini-batches of an item of a loader."""
    return item if isinstance(item, Block) else (item,)


def batch_limit(limit: int | float | None, rows: int, batch_size: int) -> int | None:
    """Lightning's rule for its limits: a float is a share of the batches, an int their number."""
    if isinstance(limit, float):
        return max(1, int(limit * math.ceil(rows / batch_size)))
    return limit
