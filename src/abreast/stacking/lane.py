"""A lane: one run of a stack, with its own learner, callbacks, loggers and run directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from lightning import __version__ as lightning_version
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.loggers import Logger

from abreast.callbacks import RunWriter, TestImages
from abreast.config.types import Config, State
from abreast.data.datamodule import DataModule
from abreast.errors import disk_error
from abreast.learner.epoch_progress import EpochState
from abreast.learner.lightning_loops import LoopsState, with_steps
from abreast.learner.module import Learner
from abreast.loggers.run_logger import RunLogger, flush_loggers
from abreast.runs.directory import RunDirectory
from abreast.runtime.seeding import derive
from abreast.stacking import device_products
from abreast.stacking.lane_checkpoints import LaneCheckpoints, stepped_state
from abreast.stacking.lane_trainer import LaneTrainer
from abreast.stacking.optimizers.groups import OptimizerGroup
from abreast.stacking.optimizers.lane_state import OptimizerSnapshot, cloned
from abreast.stacking.parameters import detach_from_stack
from abreast.stacking.random_numbers import LaneRandom, is_custom_module
from abreast.training.finish import ChosenWeights, finish
from abreast.training.record import StartRecord

RUN_CALLBACKS = (RunWriter, TestImages, EarlyStopping, Checkpoint)  # others watch the process

LaneState = Literal["running", "stopped", "dropped", "failed"]


@dataclass(eq=False)
class Lane:
    """One run of a stack.

    Attributes:
        number: The lane's position in its chunk.
        data: Its data; lanes of one split have the same.
        share: The fraction of the time since it `began` that the run accounts for: one lane's.
        joined: Epochs that the stack had trained when the lane joined it; 0 where that does not matter.
        batches: Mini-batches in its epoch.
        epoch: Epochs that are complete.
        state: `running`; `stopped` when all went well; `dropped` by successive halving; or `failed`.
        error: What made the lane fail.
        random: Takes the place of the run's global generators.
        resumed_from: The checkpoint that the lane resumes from, until its callbacks are restored.
        optimizer_group: The optimizer that steps the lane; None outside of a chunk.
        param_group: The optimizer's parameter group with the lane's settings.
        epoch_state: Gives what the epoch has come to so far.
        record: How the lane is executed; set before it is trained.
    """

    number: int
    cfg: Config
    directory: RunDirectory
    data: DataModule
    learner: Learner
    callbacks: list[Callback]
    loggers: list[Logger]
    share: float = 1.0
    began: float = 0.0
    joined: int = 0

    def __post_init__(self) -> None:
        self.callbacks = [callback for callback in self.callbacks if isinstance(callback, RUN_CALLBACKS)]
        self.state: LaneState = "running"
        self.batches = self.data.batches_per_epoch
        self.epoch = 0
        self.error: BaseException | None = None
        self.checkpoints = LaneCheckpoints(self.directory, lambda: flush_loggers(self.loggers))
        seed = derive(self.cfg["seed"], "dropout", 0)
        self.random = LaneRandom(self.cfg["seed"], seed, self.learner.device)
        self.resumed_from: State | None = None
        self.optimizer_group: OptimizerGroup | None = None
        self.param_group: dict[str, Any] | None = None
        self.epoch_state: Callable[[], EpochState]
        self.trainer: LaneTrainer
        self.record: StartRecord
        self._weights: dict[str, torch.Tensor] | None = None  # views, while they stay where they are

    @cached_property
    def is_custom(self) -> bool:
        """Whether its network or loss is custom code, which may draw random numbers."""
        return is_custom_module(self.learner.net) or is_custom_module(self.learner.loss)

    @property
    def running(self) -> bool:
        """Whether the lane still trains."""
        return self.state == "running"

    @property
    def steps(self) -> int:
        """Optimizer steps that were done."""
        return self.epoch * self.batches + self.learner.epoch_progress.batches_done

    def attach(self, trainer: Trainer, max_epochs: int | None, loops: Callable[[], LoopsState]) -> None:
        """Show the stack's Trainer to the learner and the callbacks as theirs.

        Args:
            trainer: The stack's Trainer.
            max_epochs: The epochs of the lane; -1 for no limit.
            loops: Gives the state of the Trainer's loops.
        """

        def keep_checkpoint(path: Path) -> None:
            self.checkpoints.keep(path, self.checkpoint(loops()))

        self.trainer = LaneTrainer(
            trainer,
            learner=self.learner,
            callbacks=self.callbacks,
            loggers=self.loggers,
            datamodule=self.data,
            progress=lambda: (self.steps, self.epoch),
            max_epochs=max_epochs,
            optimizer_group=lambda: self.optimizer_group,
            keep_checkpoint=keep_checkpoint,
        )
        self.learner.trainer = cast(Trainer, self.trainer)
        self.learner.random_state = self.random.state

    def begin(self) -> None:
        """Open the loggers, set the callbacks up, and restore them in a resumed run."""
        for logger in self.loggers:
            _ = getattr(logger, "experiment", None)  # opens its file
            logger.save()
        self.call("setup", "fit")
        if self.resumed_from is not None:
            states = self.resumed_from["callbacks"]
            for callback in self.callbacks:
                if callback.state_key in states:
                    callback.load_state_dict(states[callback.state_key])
            self.resumed_from = None
        self.call("on_train_start")

    def call(self, hook: str, *arguments: object, monitoring: bool | None = None) -> None:
        """Call a hook of the callbacks; with `monitoring`, only of those that (do not) watch a metric."""
        for callback in self.callbacks:
            watches = isinstance(callback, (Checkpoint, EarlyStopping))
            if monitoring is None or monitoring == watches:
                getattr(callback, hook)(self.trainer, self.learner, *arguments)

    def guarded(self, action: Callable[..., object], *arguments: object, **more: object) -> None:
        """Call an action on behalf of this lane; an exception fails this lane and no other."""
        try:
            action(*arguments, **more)
        except Exception as error:
            self.fail(error)

    def stop(self) -> None:
        """End the lane's training as that of an individual run ends."""
        self.call("on_train_end")
        self.state = "stopped"

    def fail(self, error: BaseException) -> None:
        """End the lane's training, and record the failure in its run directory."""
        self.state = "failed"
        full = disk_error(error, self.directory.path)
        try:
            self.checkpoints.flush()
            for logger in self.loggers:
                logger.finalize("failed")
                if isinstance(logger, RunLogger):
                    logger.close("failed")
        except OSError as another:  # what cannot be written is trained again
            full = full or disk_error(another, self.directory.path)
        if full is not None:
            full.args = (f"{full}, then run the same command again",)
        self.error = full or error
        self.directory.note_failure(self.error)

    def join(self, number: int, group: OptimizerGroup) -> None:
        """Become lane `number` of a chunk, which has stacked the network, in an optimizer group."""
        self.number = number
        self.optimizer_group = group
        self.param_group = group.param_group(number)
        self._weights = None

    def optimizer_snapshot(self) -> OptimizerSnapshot:
        """The state of the lane's optimizer and schedule, for another chunk."""
        assert self.optimizer_group is not None
        return self.optimizer_group.snapshot(self.number)

    def leave(self) -> None:
        """Copy the weights out of the memory that is shared with the chunk's other lanes."""
        detach_from_stack(self.learner.net)
        self.optimizer_group = self.param_group = self._weights = None

    def checkpoint(self, loops: LoopsState) -> State:
        """What Lightning would put into an individual run's checkpoint; tensors are copies."""
        if self._weights is None:
            self._weights = self.learner.state_dict()
        make_stepped = partial(stepped_state, self._weights, self.optimizer_group, self.number)
        stepped = self.checkpoints.shared(make_stepped)
        content: State = {
            "epoch": self.trainer.current_epoch,
            "global_step": self.trainer.global_step,
            "pytorch-lightning_version": lightning_version,
            "state_dict": stepped["state_dict"],
            "loops": with_steps(loops, self.trainer.global_step),
            "callbacks": {part.state_key: cloned(s) for part in self.callbacks if (s := part.state_dict())},
            "optimizer_states": stepped["optimizer_states"],
            "lr_schedulers": stepped["lr_schedulers"],
        }
        content[DataModule.__qualname__] = self.data.state_dict()
        for callback in self.callbacks:
            callback.on_save_checkpoint(cast(Trainer, self.trainer), self.learner, content)
        self.learner.on_save_checkpoint(content)
        content["abreast"] |= device_products.chosen()
        rank = content["abreast"]["position"]["ranks"][0]
        if "epoch" in rank:
            rank["epoch"] = self.epoch_state()
        return content

    def load_chosen(self) -> ChosenWeights:
        """Load the weights that the config wants tested into the learner, and return them."""
        chosen = self.checkpoints.choose(self.cfg["checkpoint"])
        self.learner.load_state_dict(chosen.weights)
        return chosen

    def finish(self, chosen: ChosenWeights, seconds: float, status: str = "finished") -> None:
        """Write the run's result, for the weights that were chosen.

        Args:
            chosen: The weights that the learner has, and was tested with.
            seconds: Time that the run took.
            status: `dropped` for a run that successive halving ended.
        """
        self.record.execution.update(device_products.chosen())
        finish(
            cast(Trainer, self.trainer),
            self.learner,
            self.trainer.datamodule,
            self.directory,
            self.cfg,
            chosen,
            self.record,
            seconds=seconds,
            status=status,
        )
