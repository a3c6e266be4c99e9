"""The Trainer that a lane's callbacks see: the stack's, with the lane's own metrics, callbacks and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.optim import Optimizer

from abreast.data.datamodule import DataModule
from abreast.data.loader import ResumableLoader
from abreast.learner.lightning_loops import step_progress
from abreast.stacking.optimizers import OptimizerGroup


class Metrics(dict[str, torch.Tensor]):
    """Metrics by name. Values are replaced, never changed: ModelCheckpoint's deep copies may be shallow."""

    def __deepcopy__(self, memo: dict[int, object]) -> Metrics:
        return Metrics(self)


class LaneTrainer:
    """Whatever is not defined here is the stack's Trainer's.

    Args:
        trainer: The stack's Trainer.
        learner: The lane's learner.
        callbacks: The lane's callbacks.
        loggers: The lane's loggers.
        datamodule: The lane's data.
        own_steps: Gives the lane's optimizer steps for those of the stack.
        optimizer_group: Gives the optimizer that the lane shares; None once the lane has left the stack.
        keep_checkpoint: Keeps the lane's checkpoint, to be written to the path later.
    """

    def __init__(
        self,
        trainer: Trainer,
        *,
        learner: LightningModule,
        callbacks: list[Callback],
        loggers: list[Logger],
        datamodule: DataModule,
        own_steps: Callable[[int], int],
        optimizer_group: Callable[[], OptimizerGroup | None],
        keep_checkpoint: Callable[[Path], None],
    ) -> None:
        self.trainer = trainer
        self.lightning_module = learner
        self.callbacks = callbacks
        self.loggers = loggers
        self.datamodule = datamodule
        self.train_dataloader = ResumableLoader(datamodule.batches_per_epoch, datamodule.steps)
        self.callback_metrics = Metrics()
        self._own_steps = own_steps
        self._optimizer_group = optimizer_group
        self._keep_checkpoint = keep_checkpoint
        self._asked_to_stop = False
        self._ended_at: tuple[int, int] | None = None  # step and epoch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    @property
    def logger(self) -> Logger | None:
        """The first of the lane's loggers."""
        return self.loggers[0] if self.loggers else None

    @property
    def optimizers(self) -> Sequence[Optimizer]:
        """The lane's optimizer, which other lanes may share; none once the lane has left the stack."""
        group = self._optimizer_group()
        return [] if group is None else [group.optimizer]

    @property
    def lr_scheduler_configs(self) -> Sequence[SimpleNamespace]:
        """The lane's schedule, wrapped as Lightning does."""
        group = self._optimizer_group()
        scheduler = None if group is None else group.scheduler
        return [] if scheduler is None else [SimpleNamespace(scheduler=scheduler)]

    @property
    def global_step(self) -> int:
        """Optimizer steps of the lane."""
        return self._ended_at[0] if self._ended_at else self._own_steps(self.trainer.global_step)

    @property
    def current_epoch(self) -> int:
        """The lane's epoch, from 0."""
        return self._ended_at[1] if self._ended_at else self.trainer.current_epoch

    @property
    def should_stop(self) -> bool:
        """Whether the lane's training ends with this epoch: it was asked to, or all steps are done."""
        return self._asked_to_stop or self.trainer.global_step == self.trainer.max_steps

    @should_stop.setter
    def should_stop(self, value: bool) -> None:
        self._asked_to_stop = value

    def end(self) -> None:
        """Keep the lane's step and epoch as they are now, also where an earlier process has trained them."""
        steps = step_progress(self.trainer).total.completed  # `global_step` is 0 until the stack is attached
        self._ended_at = (self._own_steps(steps), self.trainer.current_epoch)

    def save_checkpoint(self, path: str | Path, weights_only: bool | None = None, **_: object) -> None:
        """Keep the checkpoint that an individual run would write now."""
        self._keep_checkpoint(Path(path))
