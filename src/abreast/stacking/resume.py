"""Resume the lanes of a stack from their checkpoints, which are those of individual runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from abreast.learner.checkpoint import load, moved_to
from abreast.learner.lightning_loops import LoopsState, set_position, with_steps
from abreast.learner.resume_state import Position, logged_steps
from abreast.loggers.run_logger import RunLogger
from abreast.runs.atomic import remove_partial_files
from abreast.runs.files import LAST
from abreast.stacking.device_products import remember
from abreast.stacking.lane import Lane
from abreast.stacking.optimizers.lane_state import OptimizerSnapshot


def load_checkpoints(lanes: Sequence[Lane]) -> Mapping[Lane, OptimizerSnapshot]:
    """Load weights, random states and the epoch's progress from the lanes' last checkpoints.

    Args:
        lanes: Lanes that have done as many mini-batches of their epochs.

    Returns:
        The state of the optimizer of each lane that has a checkpoint.
    """
    snapshots: dict[Lane, OptimizerSnapshot] = {}
    for lane in lanes:
        file = lane.directory.checkpoints / LAST
        if not file.exists():
            continue
        remove_partial_files(lane.directory.path)
        content = moved_to(file.resolve().parent, load(file))
        lane.learner.load_state_dict(content["state_dict"])
        schedulers = content["lr_schedulers"]
        snapshots[lane] = OptimizerSnapshot(
            optimizer=content["optimizer_states"][0], scheduler=schedulers[0] if schedulers else None
        )
        remember(content["abreast"])
        position: Position = content["abreast"]["position"]
        rank = position["ranks"][0]
        lane.epoch = position["epoch"]
        lane.random.load_state(rank["random"])
        lane.learner.epoch_progress.batches_done = position["batches"]
        if "epoch" in rank:
            lane.learner.epoch_progress.load_state(rank["epoch"])
            lane.learner.train_metrics.load_state(rank["epoch"]["meter"])
        for logger in lane.loggers:
            if isinstance(logger, RunLogger):
                logger.forget_from(logged_steps(content))
        lane.resumed_from = content
    return snapshots


def is_trained(lane: Lane) -> bool:
    """Whether the lane resumes where all that is left is to test it."""
    if lane.resumed_from is None:
        return False
    position: Position = lane.resumed_from["abreast"]["position"]
    return position["should_stop"] or position["epoch"] == lane.cfg["trainer"].get("max_epochs")


def loops_of(lanes: Sequence[Lane]) -> LoopsState | None:
    """The state of Lightning's loops at the latest epoch where a lane resumes; None for new runs."""
    content = next((lane.resumed_from for lane in lanes if lane.resumed_from is not None), None)
    if content is None:
        return None
    longest = max(lanes, key=lambda lane: lane.batches)  # whose steps the stack counts
    epoch, batches = (
        max(lane.joined + lane.epoch for lane in lanes),
        longest.learner.epoch_progress.batches_done,
    )
    loops = with_steps(content["loops"], epoch * longest.batches + batches)
    set_position(
        loops,
        epoch=epoch,
        batches=batches,
        calls_per_epoch=math.ceil(longest.batches / longest.data.steps),
        batches_per_call=longest.data.steps,
        optimizer_steps=None,
    )
    return loops
