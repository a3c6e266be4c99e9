"""Resume the lanes of a stack from their checkpoints, which are those of individual runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abreast.learner.checkpoint import load, moved_to
from abreast.learner.lightning_loops import LoopsState
from abreast.learner.resume_state import Position, logged_steps
from abreast.loggers.tensorboard import TensorBoard
from abreast.runs.atomic import remove_partial_files
from abreast.runs.files import LAST
from abreast.stacking.lane import Lane
from abreast.stacking.optimizer_state import OptimizerSnapshot


def load_checkpoints(lanes: Sequence[Lane]) -> Mapping[Lane, OptimizerSnapshot] | None:
    """Load weights, random states and the epoch's progress from the lanes' last checkpoints.

    Args:
        lanes: Lanes that have all been saved at one position of the training, or not at all.

    Returns:
        The state of each lane's optimizer; None where there are no checkpoints.
    """
    files = [lane.directory.checkpoints / LAST for lane in lanes]
    if not files[0].exists():
        return None
    snapshots: dict[Lane, OptimizerSnapshot] = {}
    for lane, file in zip(lanes, files, strict=True):
        remove_partial_files(lane.directory.path)
        content = moved_to(file.resolve().parent, load(file))
        lane.learner.load_state_dict(content["state_dict"])
        schedulers = content["lr_schedulers"]
        snapshots[lane] = OptimizerSnapshot(
            optimizer=content["optimizer_states"][0], scheduler=schedulers[0] if schedulers else None
        )
        position: Position = content["abreast"]["position"]
        rank = position["ranks"][0]
        lane.random.load_state(rank["random"])
        lane.learner.epoch_progress.batches_done = position["batches"]
        if "epoch" in rank:
            lane.learner.epoch_progress.load_state(rank["epoch"])
            lane.learner.train_metrics.load_state(rank["epoch"]["meter"])
        for logger in lane.loggers:
            if isinstance(logger, TensorBoard):
                logger.forget_from(logged_steps(content))
        lane.resumed_from = content
    return snapshots


def are_trained(lanes: Sequence[Lane]) -> bool:
    """Whether the lanes resume where all that is left is to test them."""
    content = lanes[0].resumed_from
    if content is None:
        return False
    position: Position = content["abreast"]["position"]
    return position["should_stop"] or position["epoch"] == lanes[0].cfg["trainer"].get("max_epochs")


def loops_of(lanes: Sequence[Lane]) -> LoopsState | None:
    """The state of Lightning's loops at the position where the lanes resume; None for new runs."""
    content = max(lanes, key=lambda lane: lane.batches).resumed_from  # whose steps the stack counts
    if content is None:
        return None
    loops: LoopsState = content["loops"]
    return loops
