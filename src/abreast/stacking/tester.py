"""The LightningModule that tests the lanes of a stack, or validates their chosen weights."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

from abreast.data.loader import Batch, Block, EvalLoader
from abreast.stacking.evaluation import Stage, evaluations
from abreast.stacking.grouping import split_evenly
from abreast.stacking.lane import Lane
from abreast.stacking.lanes_module import LanesModule


class StackTester(LanesModule):
    """Measures the examples of a stage in lanes that have stopped, on so many threads."""

    def __init__(
        self, lanes: Sequence[Lane], threads: int, workers: Executor | None, stage: Stage = "test"
    ) -> None:
        super().__init__(lanes, workers)
        parts = split_evenly(self.lanes, min(threads, len(lanes)))
        self.evaluations = [evaluation for part in parts for evaluation in evaluations(part, stage)]

    def test_dataloader(self) -> EvalLoader:
        """One block of test examples, for Lightning to count; every lane is measured on its own."""
        return self.lanes[0].data.test_dataloader()

    def val_dataloader(self) -> EvalLoader | list[EvalLoader]:
        """The same of validation examples."""
        return self.lanes[0].data.val_dataloader()

    def on_test_start(self) -> None:
        """Put the networks in evaluation mode; their weights have been loaded."""
        for lane in self.lanes:
            lane.learner.net.eval()

    def on_validation_start(self) -> None:
        """As `on_test_start`; drop the values of other weights."""
        self.on_test_start()
        for lane in self.lanes:
            lane.learner.values = {}

    def validation_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure the validation examples."""
        self.evaluate(self.evaluations)

    def on_validation_epoch_end(self) -> None:
        """Record the validation's metrics."""
        self.on_test_epoch_end()

    def test_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure the test examples."""
        self.evaluate(self.evaluations)

    def on_test_epoch_end(self) -> None:
        """Record the test's metrics."""
        for evaluation in self.evaluations:
            evaluation.record("stopped")

    def on_test_end(self) -> None:
        """Call the lanes' callbacks."""
        for lane in self.lanes:
            if lane.state == "stopped":
                lane.guarded(lane.call, "on_test_end")
