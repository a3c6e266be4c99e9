"""Lanes that have ended leave the stack, and free their share of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from abreast.stacking.chunk import Chunk
from abreast.stacking.grouping import split_evenly
from abreast.stacking.lane import Lane
from abreast.stacking.layout import Layout
from abreast.stacking.optimizer_state import OptimizerSnapshot

REBUILD_STEPS = 12  # steps of a lane of a small network that rebuilding it may cost; 4 to 10, measured


def pays_off(ended: int, running: int, steps: int) -> bool:
    """Whether rebuilding the chunks takes less time than training the ended lanes along with the others.

    Args:
        ended: Lanes of the chunks that have ended.
        running: Lanes of the chunks that have not.
        steps: Steps to the end of the training.
    """
    return min(ended, running) > 0 and ended * steps > running * REBUILD_STEPS


def compact(chunks: Sequence[Chunk], layout: Layout) -> list[Chunk]:
    """Rebuild the chunks from their running lanes.

    Weights, buffers, optimizers, schedules and random states are carried over bitwise; the epoch's metrics
    must have been computed before. Ended lanes get a copy of their weights.
    """
    lanes = [lane for chunk in chunks for lane in chunk.lanes]
    running = [lane for lane in lanes if lane.running]
    snapshots = {lane: lane.optimizer_snapshot() for lane in running}
    for lane in lanes:
        if not lane.running:
            lane.leave()
    return build_chunks(running, layout, snapshots)


def build_chunks(
    lanes: Sequence[Lane], layout: Layout, snapshots: Mapping[Lane, OptimizerSnapshot] = MappingProxyType({})
) -> list[Chunk]:
    """Divide the lanes into the layout's chunks; `snapshots` holds the optimizers of lanes that resume.

    Lanes of different splits may have epochs that differ by some examples, as folds do: a batched operation
    takes as many of each lane, so a chunk has lanes of one length.
    """
    by_length: dict[int, list[Lane]] = {}
    for lane in lanes:
        by_length.setdefault(lane.data.examples_per_epoch, []).append(lane)
    chunks: list[Chunk] = []
    first = 0
    for members in by_length.values():
        for part in split_evenly(members, layout.chunks(len(members))):
            chunks.append(Chunk(part, first, snapshots, shared_batches=layout.shared_batches))
            first += len(part)
    return chunks
