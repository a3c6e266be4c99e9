"""Saves the runs of a stack when it is told to stop, and now and then within a long epoch."""

from __future__ import annotations

from typing import cast

from lightning.pytorch import LightningModule, Trainer

from abreast.callbacks import PreemptionCheckpoint
from abreast.stacking.module import Stack


class StackPreemptionCheckpoint(PreemptionCheckpoint):
    """Saves all lanes, and stops, at the end of the block in which a signal arrives."""

    def __init__(self, within: float) -> None:
        super().__init__(None, within)

    def save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write every running lane's `last.ckpt`."""
        cast(Stack, pl_module).save_midway()
