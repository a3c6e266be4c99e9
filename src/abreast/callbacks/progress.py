"""Progress of the training in the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from abreast.learner.module import Learner
from abreast.metrics.registry import STAGES, by_priority
from abreast.runtime.console import ProgressLines, console, fitting, is_live

REFRESH = 0.1  # seconds between two drawings of the bar
LEAST_BAR = 8  # columns
TIME = 7  # columns of the time left
NARROW = 60  # columns, below which the time left gives way to the values


class Progress(Callback):
    """Shows a bar over all optimizer steps in a terminal; elsewhere prints lines at ends of epochs."""

    def __init__(self) -> None:
        self._console = console()
        self._bar: Bar | None = None
        self._lines = ProgressLines()
        self._drawn = 0.0
        self._values: list[str] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        if not (is_live(self._console) and trainer.is_global_zero):
            return
        learner = cast(Learner, pl_module)
        self._bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            *([] if self._console.width < NARROW else [TimeRemainingColumn()]),
            TextColumn("{task.fields[values]}"),
            TextColumn("{task.fields[speed]}"),
            console=self._console,
            expand=True,
            auto_refresh=False,  # a separate thread would take time from the training
            transient=True,
        )
        self._bar.add_task("", total=learner.total_steps, epoch=self._epoch(trainer), speed="", values="")
        self._bar.start()
        self._began, self._first = time.perf_counter(), trainer.global_step

    @staticmethod
    def _epoch(trainer: Trainer) -> str:
        epochs = _epochs(trainer)
        return f"{trainer.current_epoch + 1}/{epochs}" if epochs else f"{trainer.current_epoch + 1}"

    def _draw(self, trainer: Trainer) -> None:
        assert self._bar is not None
        self._drawn = time.perf_counter()
        speed = (trainer.global_step - self._first) / max(1e-9, self._drawn - self._began)
        epoch, text = self._epoch(trainer), f"{speed:,.0f} steps/s"
        width = self._console.width
        room = width - len(f"epoch {epoch}") - LEAST_BAR - 4 - (TIME if width >= NARROW else 0)
        values = fitting(self._values, room)
        is_wide = room - len(values) > len(text)
        self._bar.update(
            self._bar.task_ids[0],
            completed=trainer.global_step,
            epoch=epoch,
            speed=text if is_wide else "",
            values=values,
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
        learner = cast(Learner, pl_module)
        self._values = ordered(learner.values)
        if self._bar is not None:
            self._draw(trainer)
        elif trainer.is_global_zero and self._lines.is_due(trainer.current_epoch + 1, _epochs(trainer)):
            print("  ".join([f"epoch {self._epoch(trainer)}", *self._values]), flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove the bar, so that only the error message remains."""
        self.on_train_end(trainer, pl_module)


def _epochs(trainer: Trainer) -> int | None:
    """How many epochs there will be; None where that is not known."""
    return trainer.max_epochs if trainer.max_epochs is not None and trainer.max_epochs > 0 else None


def ordered(values: Mapping[str, float]) -> list[str]:
    """Write an epoch's values, those that runs are compared by first, and validation before training.

    >>> ordered({"train/loss": 0.5, "train/accuracy": 0.8, "val/loss": 0.6, "val/accuracy": 0.75})
    ['val/accuracy 0.7500', 'train/accuracy 0.8000', 'val/loss 0.6000', 'train/loss 0.5000']
    """
    names = [metric.name for metric in by_priority()]
    stages = [*reversed(STAGES)]

    def rank(key: str) -> tuple[int, int]:
        stage, _, name = key.partition("/")
        position = names.index(name) if name in names else len(names)
        return position, stages.index(stage) if stage in stages else len(stages)

    return [f"{key} {values[key]:.4f}" for key in sorted(values, key=rank)]
