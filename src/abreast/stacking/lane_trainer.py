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
from abreast.stacking.optimizers.groups import OptimizerGroup


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
        progress: Gives the lane's optimizer steps and its epoch.
        max_epochs: The epochs of the lane.
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
        progress: Callable[[], tuple[int, int]],
        max_epochs: int | None,
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
        self.max_epochs = max_epochs
        self._progress = progress
        self._optimizer_group = optimizer_group
        self._keep_checkpoint = keep_checkpoint
        self._asked_to_stop = False

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
        return self._progress()[0]

    @property
    def current_epoch(self) -> int:
        """The lane's epoch, from 0."""
        return self._progress()[1]

    @property
    def should_stop(self) -> bool:
        """Whether the lane's training ends with this epoch: it was asked to, or all steps are done."""
        return self._asked_to_stop or self.global_step == self.trainer.max_steps

    @should_stop.setter
    def should_stop(self, value: bool) -> None:
        self._asked_to_stop = value

    def save_checkpoint(self, path: str | Path, weights_only: bool | None = None, **_: object) -> None:
        """Keep the checkpoint that an individual run would write now."""
        self._keep_checkpoint(Path(path))
