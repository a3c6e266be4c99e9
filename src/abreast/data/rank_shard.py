"""One rank's examples of a mini-batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from abreast.data.source import Split


class RankShard:
    """The inputs and targets of every `world`-th example of a mini-batch, from the `rank`-th on.

    A rank without any `is_empty`, and holds one example of another rank: it must still take part in the step.

    Args:
        split: the rows that the mini-batch is drawn from.
        indices: int64 `[B]`, the rows of the global mini-batch, whose targets are `global_targets`.
        rank: of this process.
        world: the number of ranks.
    """

    # Not a tuple: DistributedDataParallel takes those apart.
    def __init__(self, split: Split, indices: Tensor, rank: int, world: int) -> None:
        self.is_empty = rank >= len(indices)
        mine = indices[:1] if self.is_empty else indices[rank::world]
        self.inputs = split.inputs.index_select(0, mine)
        self.targets = split.targets.index_select(0, mine)
        self.global_targets = split.targets.index_select(0, indices)

    def __iter__(self) -> Iterator[Tensor]:
        """Inputs and targets, like any mini-batch."""
        return iter((self.inputs, self.targets))
