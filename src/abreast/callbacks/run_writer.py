"""Writes metrics.csv and passes values to the loggers, once an epoch."""

from __future__ import annotations

import time
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer

from abreast.config.types import State
from abreast.errors import DiskError
from abreast.learner.module import Learner
from abreast.loggers.run_logger import RunLogger
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG


class RunWriter(Callback):
    """Writes a row of metrics.csv and the loggers' values after each epoch; reads no device before.

    The column `seconds` is the time since training began, `grad_norm` the gradient norm of the epoch's last
    step, before clipping. An epoch without validation has empty cells.

    Args:
        directory: The run's directory.
        share: The fraction of the elapsed time that this run accounts for; a stack divides it among its runs.

    Attributes:
        before: Seconds that earlier processes trained.
    """

    def __init__(self, directory: RunDirectory, share: float = 1.0) -> None:
        self.directory = directory
        self.share = share
        self.before = 0.0
        self._began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; remove the rows after the checkpoint that a resumed run starts from."""
        self._began = time.perf_counter()
        if trainer.is_global_zero:
            self.directory.keep_metrics(trainer.current_epoch)

    @property
    def seconds(self) -> float:
        """Seconds of training, in this process and earlier ones."""
        return self.before + (time.perf_counter() - self._began) * self.share

    def state_dict(self) -> State:
        """The time spent."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: State) -> None:
        """Restore the time spent."""
        self.before = state_dict["seconds"]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row and values.

        Raises:
            DiskError: Somebody has removed the run's directory.
        """
        if not trainer.is_global_zero:
            return
        if not (self.directory.path / CONFIG).exists():
            raise DiskError(f"{self.directory.path}: was removed while the run trained. Start it again")
        learner = cast(Learner, pl_module)
        progress = learner.epoch_progress
        samples, progress.samples = progress.samples, []
        norms = [sample.grad_norm.item() for sample in samples]
        stages = ("train", "val") if trainer.enable_validation else ("train",)
        columns = [f"{stage}/{metric.name}" for stage in stages for metric in learner.train_metrics.measured]
        self.directory.append_metrics(
            {
                "epoch": trainer.current_epoch + 1,
                "step": trainer.global_step,
                "seconds": round(self.seconds, 3),
                "lr": samples[-1].lr,
                "grad_norm": float(f"{norms[-1]:.7g}"),
                **{name: learner.values.get(name) for name in columns},
            }
        )
        for logger in trainer.loggers:
            for sample, norm in zip(samples, norms, strict=True):
                values = {"step/loss": sample.loss.item(), "step/lr": sample.lr, "step/grad_norm": norm}
                logger.log_metrics(values, step=sample.step)
            # At the epoch's last step, as Lightning does: a resumed run begins with the next one.
            logger.log_metrics(learner.values, step=trainer.global_step - 1)
            if isinstance(logger, RunLogger):
                logger.end_epoch()
