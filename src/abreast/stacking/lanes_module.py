"""What the LightningModules of a stack have in common: their lanes, and data that are on the device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TypeVar

import torch
from lightning.pytorch import LightningModule

from abreast.data.datamodule import DataModule
from abreast.data.loader import Batch, Block, batches
from abreast.stacking.evaluation import Evaluation
from abreast.stacking.lane import Lane
from abreast.stacking.layout import for_each

B = TypeVar("B")


class LanesModule(LightningModule):
    """Some lanes with their common data.

    Args:
        lanes: The lanes.
        data: Their data.
        workers: Threads that work on parts of the lanes side by side; None for this thread alone.
    """

    def __init__(self, lanes: Sequence[Lane], data: DataModule, workers: Executor | None) -> None:
        super().__init__()
        self.lanes = list(lanes)
        self.data = data
        self.workers = workers

    def setup(self, stage: str) -> None:
        """Move the data to the Trainer's device."""
        self.data.trainer = self.trainer
        self.data.setup(stage)

    def transfer_batch_to_device(self, batch: B, device: torch.device, dataloader_idx: int) -> B:
        """Return the batch, which is on the device already."""
        return batch

    def evaluate(self, evaluations: Sequence[Evaluation], batch: Batch | Block) -> None:
        """Measure a batch in all lanes."""

        def measure(evaluation: Evaluation) -> None:
            for part in batches(batch):
                evaluation.update(*part)

        for_each(measure, evaluations, self.workers)
