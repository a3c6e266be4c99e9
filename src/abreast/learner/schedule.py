"""How the learning rate of an optimizer changes during training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from abreast.config.types import Config


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule before its optimizer exists.

    Attributes:
        make: Builds the scheduler for an optimizer.
        interval: Whether the scheduler steps once a `step` or once an `epoch`.
        monitor: The metric that the scheduler watches (as ReduceLROnPlateau does), or None.
    """

    make: Callable[[Optimizer], LRScheduler]
    interval: str
    monitor: str | None = None

    def for_lightning(self, optimizer: Optimizer, *, automatic: bool, every: int) -> Config:
        """What `configure_optimizers` returns.

        Args:
            optimizer: The optimizer whose learning rate changes.
            automatic: Whether Lightning steps the scheduler.
            every: Epochs from one validation to the next, when a scheduler that watches a metric steps.
        """
        config: Config = {"scheduler": self.make(optimizer)}
        if automatic:
            config.update(interval=self.interval, monitor=self.monitor)
            if self.monitor is not None:
                config["frequency"] = every
        return {"optimizer": optimizer, "lr_scheduler": config}
