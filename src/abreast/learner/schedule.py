"""How the learning rate of an optimizer changes during training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


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
