"""One rank's rows of a mini-batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from abreast.data.source import Split


class Part:
    """The inputs and targets of every `world`-th row of a mini-batch, from the `rank`-th on.

    `indices` is int64 `[B]`: the whole mini-batch's rows of the split, whose targets are `whole`. A rank
    without any `is_empty`, and holds one row of another rank's: it must still take part in the step.
    """

    # No tuple: DistributedDataParallel takes those apart.
    def __init__(self, split: Split, indices: Tensor, rank: int, world: int) -> None:
        self.is_empty = rank >= len(indices)
        mine = indices[:1] if self.is_empty else indices[rank::world]
        self.inputs = split.inputs.index_select(0, mine)
        self.targets = split.targets.index_select(0, mine)
        self.whole = split.targets.index_select(0, indices)

    def __iter__(self) -> Iterator[Tensor]:
        """Inputs and targets, as of any mini-batch."""
        return iter((self.inputs, self.targets))
