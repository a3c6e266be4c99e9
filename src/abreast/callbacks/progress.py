"""Progress of the training in the terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, Trainer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from abreast.learner.module import Learner

REFRESH = 0.1  # seconds between two drawings of the bar


class Progress(Callback):
    """Shows a bar over all optimizer steps in a terminal; elsewhere prints one line per epoch."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout)
        self._bar: Bar | None = None
        self._drawn = 0.0
        self._values = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        if not (self._console.is_terminal and trainer.is_global_zero):
            return
        learner: Learner = pl_module  # type: ignore[assignment]
        self._bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
            console=self._console,
            auto_refresh=False,  # a separate thread would take time from the training
            transient=True,
        )
        self._bar.add_task("", total=learner.total_steps, epoch=self._epoch(trainer), speed="", values="")
        self._bar.start()
        self._began, self._first = time.perf_counter(), trainer.global_step

    @staticmethod
    def _epoch(trainer: Trainer) -> str:
        known = trainer.max_epochs is not None and trainer.max_epochs > 0
        return (
            f"{trainer.current_epoch + 1}/{trainer.max_epochs}" if known else f"{trainer.current_epoch + 1}"
        )

    def _draw(self, trainer: Trainer) -> None:
        assert self._bar is not None
        self._drawn = time.perf_counter()
        speed = (trainer.global_step - self._first) / max(1e-9, self._drawn - self._began)
        self._bar.update(
            self._bar.task_ids[0],
            completed=trainer.global_step,
            epoch=self._epoch(trainer),
            speed=f"{speed:,.0f} steps/s",
            values=self._values,
        )
        self._bar.refresh()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the bar, unless it was drawn just now."""
        if self._bar is not None and time.perf_counter() - self._drawn > REFRESH:
            self._draw(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the epoch's values."""
        learner: Learner = pl_module  # type: ignore[assignment]
        self._values = "  ".join(f"{name} {value:.4f}" for name, value in learner.values.items())
        if self._bar is not None:
            self._draw(trainer)
        elif trainer.is_global_zero:
            print(f"epoch {self._epoch(trainer)}  {self._values}", flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove the bar, so that only the error message remains."""
        self.on_train_end(trainer, pl_module)
