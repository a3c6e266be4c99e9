"""Waiting runs take the places of lanes that have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abreast.stacking.compaction import refill_pays_off
from abreast.stacking.lane import Lane

Successors = Callable[[Sequence[Lane], int, int], list[Lane] | None]


class Refill:
    """Fills a stack's free places between two epochs, when that pays off.

    Args:
        width: The most lanes of the stack.
        successors: Finishes lanes that have ended, and gives at most so many new ones, after so many epochs;
            None if that is of no use.
        every: Epochs from one validation to the next: lanes join just after one.
        at_once: Whether free places are filled in any case.
    """

    def __init__(self, width: int, successors: Successors, every: int = 1, *, at_once: bool = False) -> None:
        self.width = width
        self.successors = successors
        self.every = every
        self.at_once = at_once
        self._idle = 0  # lane-steps that free places have cost, and will have by the next epoch's end

    def is_due(self, lanes: Sequence[Lane], epochs: int, *, is_stopped: bool = False) -> bool:
        """Whether free places are to be filled now; to be asked before the first epoch and after each.

        Args:
            lanes: The stack's lanes.
            epochs: Epochs that the stack has trained.
            is_stopped: Whether the stack was told to stop.
        """
        running = sum(lane.running for lane in lanes)
        self._idle += (self.width - running) * max(lane.batches for lane in lanes)
        if epochs % self.every or not self._idle or (is_stopped and not self.at_once):
            return False
        if running and not self.at_once and not refill_pays_off(self._idle, self.width):
            return False
        self._idle = 0
        return True

    def may_save(self, epochs: int) -> bool:
        """Whether runs may continue from here: those of a search only where they can join others."""
        return not self.at_once or epochs % self.every == 0

    def __call__(
        self, lanes: Sequence[Lane], epochs: int, join: Callable[[Sequence[Lane]], None]
    ) -> list[Lane]:
        """Fill free places.

        Args:
            lanes: The stack's lanes.
            epochs: Epochs that the stack has trained.
            join: Begins the runs of new lanes, which may fail.

        Returns:
            The stack's lanes from now on: those that have ended are finished, and among them no more.
        """
        running = [lane for lane in lanes if lane.running]
        while len(running) < self.width:
            ended = [lane for lane in lanes if not lane.running]
            joined = self.successors(ended, self.width - len(running), epochs)
            if joined is None:
                break
            lanes = [*running, *joined]
            if not joined:
                break
            join(joined)
            running = [lane for lane in lanes if lane.running]
        return list(lanes)
