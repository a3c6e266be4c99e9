"""What the LightningModules of a stack have in common: their lanes, whose data are on the device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TypeVar

import torch
from lightning.pytorch import LightningModule

from abreast.stacking.evaluation import Evaluation
from abreast.stacking.lane import Lane
from abreast.stacking.layout import for_each
from abreast.stacking.training_rows import Moved, move_to_device

B = TypeVar("B")


class LanesModule(LightningModule):
    """Some lanes.

    Args:
        lanes: The lanes.
        workers: Threads that work on parts of the lanes side by side; None for this thread alone.
    """

    def __init__(self, lanes: Sequence[Lane], workers: Executor | None) -> None:
        super().__init__()
        self.lanes = list(lanes)
        self.workers = workers
        self._moved: Moved = {}

    def setup(self, stage: str) -> None:
        """Move the lanes' data to the Trainer's device."""
        self.move_data(self.lanes)

    def move_data(self, lanes: Sequence[Lane]) -> None:
        """Move the data of some lanes to the Trainer's device."""
        move_to_device(dict.fromkeys(lane.data for lane in lanes), self.trainer, self._moved)

    def transfer_batch_to_device(self, batch: B, device: torch.device, dataloader_idx: int) -> B:
        """Return the batch, which is on the device already."""
        return batch

    def evaluate(self, evaluations: Sequence[Evaluation]) -> None:
        """Measure every lane on its examples."""
        for_each(Evaluation.measure, evaluations, self.workers)
