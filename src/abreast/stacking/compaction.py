"""Lanes that have stopped or failed leave the stack's work."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.stacking.chunk import Chunk
from abreast.stacking.grouping import evenly
from abreast.stacking.lane import Lane
from abreast.stacking.layout import Layout
from abreast.stacking.optimizers import OptimizerSnapshot

REBUILD = 12  # steps of a lane of a small network: to build it anew takes 4 to 10 of them, measured


def pays(ended: int, running: int, steps: int) -> bool:
    """Whether it takes less time to build the chunks anew than to let the ended lanes ride along.

    Of a chunk's lanes `ended` have ended; the `running` ones have `steps` steps to go.
    """
    return min(ended, running) > 0 and ended * steps > running * REBUILD


def compact(chunks: Sequence[Chunk], plan: Layout) -> list[Chunk]:
    """The chunks' running lanes in chunks of their own, with all that they were in the middle of.

    Weights, buffers, optimizers, schedules and random streams go on to the same bits; what was measured must
    have been taken from the chunks before. Ended lanes keep their weights in memory of their own.
    """
    lanes = [lane for chunk in chunks for lane in chunk.lanes]
    running = [lane for lane in lanes if lane.running]
    carried = {lane: lane.carry() for lane in running}
    for lane in lanes:
        if not lane.running:
            lane.leave()
    return chunked(running, plan, carried)


def chunked(
    lanes: Sequence[Lane], plan: Layout, carried: dict[Lane, OptimizerSnapshot] | None = None
) -> list[Chunk]:
    """The lanes in the layout's chunks, of sizes that differ by one at most."""
    found: list[Chunk] = []
    first = 0
    for part in evenly(list(lanes), plan.parts(len(lanes))):
        found.append(Chunk(part, first, carried, shares=plan.shares))
        first += len(part)
    return found
