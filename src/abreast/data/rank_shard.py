"""One rank's examples of a mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from abreast.data.source import Split


class RankShard:
    """The inputs and targets of every `world`-th example of a mini-batch, from the `rank`-th on.

    A rank without any `is_empty`, and holds one example of another rank: it must still take part in the step.

    Args:
        split: The rows that the mini-batch is drawn from.
        indices: int64 `[B]`, the rows of the global mini-batch, whose targets are `global_targets`.
        rank: Of this process.
        world: The number of ranks.
        augment: What is done to inputs and targets of a whole mini-batch, or None.
        number: The mini-batch's position in the epoch.
    """

    # Not a tuple: DistributedDataParallel takes those apart.
    def __init__(
        self,
        split: Split,
        indices: Tensor,
        rank: int,
        world: int,
        augment: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]] | None = None,
        number: int = 0,
    ) -> None:
        self.is_empty = rank >= len(indices)
        mine = slice(0, 1) if self.is_empty else slice(rank, None, world)
        self.global_targets = split.targets.index_select(0, indices)
        if augment is None:
            self.inputs = split.inputs.index_select(0, indices[mine])
        else:  # of all ranks' examples: they are drawn, and mixed, together
            inputs, self.global_targets = augment(
                split.inputs.index_select(0, indices), self.global_targets, number
            )
            self.inputs = inputs[mine]
        self.targets = self.global_targets[mine]

    def __iter__(self) -> Iterator[Tensor]:
        """Inputs and targets, like any mini-batch."""
        return iter((self.inputs, self.targets))
