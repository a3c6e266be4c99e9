"""Lanes that have ended leave the stack, and free their share of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from abreast.stacking.chunk import Chunk
from abreast.stacking.grouping import lane_key, split_evenly
from abreast.stacking.lane import Lane
from abreast.stacking.layout import Layout
from abreast.stacking.optimizers.lane_state import OptimizerSnapshot
from abreast.stacking.shared_batches import batches_key

REBUILD_STEPS = 12  # steps of a lane of a small network that rebuilding it may cost; 4 to 10, measured

REFILL_STEPS = 2  # steps that a place of a small stack may be free, for each lane of it; 2.3, measured


def pays_off(ended: int, running: int, steps: int) -> bool:
    """Whether rebuilding the chunks takes less time than training the ended lanes along with the others.

    Args:
        ended: Lanes of the chunks that have ended.
        running: Lanes of the chunks that have not.
        steps: Steps to the end of the training.
    """
    return min(ended, running) > 0 and ended * steps > running * REBUILD_STEPS


def compacting_pays_off(chunks: Sequence[Chunk]) -> bool:
    """Whether the lanes of the chunks that have ended should leave now."""
    lanes = [lane for chunk in chunks for lane in chunk.lanes]
    running = [lane for lane in lanes if lane.running]
    steps = max((lane.learner.total_steps - lane.steps for lane in running), default=0)
    return pays_off(len(lanes) - len(running), len(running), steps)


def refill_pays_off(idle: int, lanes: int) -> bool:
    """Whether free places cost as much as rebuilding the chunks with new lanes in them.

    Ended lanes leave anyway. What a free place costs is its share of what a step takes for any number of
    lanes, so the more lanes there are, the less; and the more there are to rebuild.

    Args:
        idle: Steps that free places have missed, and will have by the end of the next epoch.
        lanes: Lanes of the rebuilt chunks.
    """
    return idle > lanes * lanes * REFILL_STEPS


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
    takes as many of each lane, so a chunk has lanes of one length. Neighbours are lanes that share an
    optimizer or a loss, with `shared_batches` their mini-batches before that.
    """

    def neighbours(lane: Lane) -> tuple[object, ...]:
        optimizer, loss = lane_key(lane.cfg)
        shared = batches_key(lane) if layout.shared_batches else ()
        return (*shared, optimizer, lane.steps, loss)

    by_length: dict[int, list[Lane]] = {}
    for lane in sorted(lanes, key=neighbours):
        by_length.setdefault(lane.data.examples_per_epoch, []).append(lane)
    chunks: list[Chunk] = []
    first = 0
    for members in by_length.values():
        for part in split_evenly(members, layout.chunks(len(members))):
            chunks.append(Chunk(part, first, snapshots, shared_batches=layout.shared_batches))
            first += len(part)
    return chunks
