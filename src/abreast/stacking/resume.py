"""Lanes that go on where their runs were stopped: from the checkpoints that plain runs go on from, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from lightning.pytorch import LightningModule, Trainer

from abreast.callbacks import PreemptionCheckpoint
from abreast.learner.checkpoint import load as load_checkpoint
from abreast.learner.checkpoint import moved_to
from abreast.loggers.tensorboard import TensorBoard
from abreast.runs.atomic import remove_partial_files
from abreast.runs.files import LAST
from abreast.stacking.lane import Lane
from abreast.stacking.optimizers import OptimizerSnapshot

if TYPE_CHECKING:
    from abreast.stacking.module import Stack


def load(lanes: Sequence[Lane]) -> dict[Lane, OptimizerSnapshot] | None:
    """Give the lanes the weights and streams of their last checkpoints; their optimizers, for the chunks.

    None where the lanes have no checkpoints. All of them must have been saved at one place of the training.
    """
    files = [lane.directory.checkpoints / LAST for lane in lanes]
    if not files[0].exists():
        return None
    carried: dict[Lane, OptimizerSnapshot] = {}
    for lane, file in zip(lanes, files, strict=True):
        remove_partial_files(lane.directory.path)
        content = moved_to(file.resolve().parent, load_checkpoint(file))
        lane.learner.load_state_dict(content["state_dict"])
        schedulers = content["lr_schedulers"]
        carried[lane] = {
            "optimizer": content["optimizer_states"][0],
            "scheduler": schedulers[0] if schedulers else None,
        }
        stands = content["abreast"]["position"]
        lane.stream.set_state(stands["ranks"][0]["random"]["torch"])
        lane.learner.epoch_progress.batches_done = stands["batches"]
        if "epoch" in stands["ranks"][0]:
            epoch = stands["ranks"][0]["epoch"]
            lane.learner.epoch_progress.load_state(epoch)
            lane.learner.train_metrics.load_state(epoch["meter"])
        for logger in lane.loggers:
            if isinstance(logger, TensorBoard):
                logger.forget_after(content["global_step"])
        lane.content = content
    return carried


def are_over(lanes: Sequence[Lane]) -> bool:
    """Whether the lanes were stopped when all that was left was to test them."""
    content = lanes[0].content
    if content is None:
        return False
    stands = content["abreast"]["position"]
    return bool(stands["should_stop"]) or stands["epoch"] == lanes[0].cfg["trainer"].get("max_epochs")


def loops(lanes: Sequence[Lane]) -> dict[str, Any] | None:
    """The state of Lightning's loops at the place where the lanes go on; None: they begin."""
    content = lanes[0].content
    return None if content is None else cast("dict[str, Any]", content["loops"])


def restore_callbacks(lane: Lane) -> None:
    """Give the lane's callbacks what they knew; they must have been set up."""
    if lane.content is None:
        return
    states = lane.content["callbacks"]
    for callback in lane.callbacks:
        if callback.state_key in states:
            callback.load_state_dict(states[callback.state_key])
    lane.content = None


class StackPreemptionCheckpoint(PreemptionCheckpoint):
    """Saves all lanes where they stand, and stops, at the end of the block in which it is told to."""

    def __init__(self, within: float) -> None:
        super().__init__(None, within)

    def save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write every running lane's `last.ckpt`."""
        stack: Stack = pl_module  # type: ignore[assignment]
        stack.save_midway()
