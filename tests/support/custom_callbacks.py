"""Callbacks as a user may write them."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping


class Accumulate(Callback):
    """Changes how many mini-batches make a step, in a hook for epochs."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From the second epoch on, two."""
        trainer.accumulate_grad_batches = min(2, trainer.current_epoch + 1)


class Quiet(Callback):
    """Does nothing that blocks could change."""

    supports_blocks = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing."""


class DerivedStopping(EarlyStopping):
    """A subclass of a known callback, which may do anything."""


def made(**arguments: Any) -> Callback:
    """A callback from a function."""
    return Quiet(**arguments)


def count(*_: object) -> int:
    """A function that a callback takes."""
    return 1
