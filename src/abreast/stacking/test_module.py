"""The LightningModule that tests the lanes of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import torch
from lightning.pytorch import LightningModule

from abreast.data.datamodule import DataModule
from abreast.data.loader import Batch, Block, EvalLoader, batches
from abreast.stacking.evaluation import Evaluation
from abreast.stacking.grouping import evenly
from abreast.stacking.lane import Lane
from abreast.stacking.layout import each


class StackTest(LightningModule):
    """Measures the test rows, in lanes that have stopped, on `threads` threads."""

    def __init__(
        self, lanes: Sequence[Lane], data: DataModule, threads: int, workers: Executor | None
    ) -> None:
        super().__init__()
        self.lanes = list(lanes)
        self.data = data
        self.parts = [Evaluation(part, "test") for part in evenly(self.lanes, min(threads, len(lanes)))]
        self.workers = workers

    def setup(self, stage: str) -> None:
        """Move the rows to the Trainer's device, if no training did."""
        self.data.trainer = self.trainer
        self.data.setup(stage)

    def test_dataloader(self) -> EvalLoader:
        """The test rows, the same for all."""
        return self.data.test_dataloader()

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The rows are there already."""
        return batch

    def on_test_start(self) -> None:
        """Take the weights as they were loaded."""
        for lane in self.lanes:
            lane.learner.net.eval()

    def test_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure a batch of the test rows."""

        def measure(part: Evaluation) -> None:
            for rows in batches(batch):
                part.update(*rows)

        each(measure, self.parts, self.workers)

    def on_test_epoch_end(self) -> None:
        """Take the test's metrics."""
        for part in self.parts:
            part.take("stopped")

    def on_test_end(self) -> None:
        """Let the lanes' callbacks see the test."""
        for lane in self.lanes:
            if lane.state == "stopped":
                lane.guarded(lane.call, "on_test_end")
