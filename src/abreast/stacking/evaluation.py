"""The same examples measured in some lanes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor

from abreast.data.datamodule import DataModule
from abreast.data.loader import EvalLoader, batches
from abreast.stacking.lane import Lane, LaneState
from abreast.stacking.metrics import StackMetrics

Stage = Literal["val", "test"]


def evaluations(lanes: Sequence[Lane], stage: Stage) -> list[Evaluation]:
    """The evaluations of lanes that may have different splits, one for each split."""
    by_split: dict[DataModule, list[Lane]] = {}
    for lane in lanes:
        by_split.setdefault(lane.data, []).append(lane)
    return [Evaluation(members, stage) for members in by_split.values()]


class Evaluation:
    """Loss and metrics of a stage in some lanes of one split, each by its own network."""

    def __init__(self, lanes: Sequence[Lane], stage: Stage) -> None:
        self.lanes = list(lanes)
        self.stage = stage
        learners = [lane.learner for lane in lanes]
        self.metrics = StackMetrics(
            [learner.loss for learner in learners],
            [learner.val_metrics if stage == "val" else learner.test_metrics for learner in learners],
        )

    def measure(self) -> None:
        """Measure all examples of the stage."""
        data = self.lanes[0].data
        loader = data.val_dataloader() if self.stage == "val" else data.test_dataloader()
        assert isinstance(loader, EvalLoader), "a stage without examples is not measured"
        for item in loader:
            for part in batches(item):
                self.update(*part)

    @torch.no_grad()
    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """Measure examples: inputs `[B, *shape]` as stored, targets `[B]`."""
        learners = [lane.learner for lane in self.lanes]
        x = learners[0].normalize(inputs)
        scores, losses = [], []
        for lane in self.lanes:
            with lane.random.as_global() if lane.is_custom else nullcontext():
                scores.append(lane.learner.net(x))
                losses.append(self._loss(lane, scores[-1], targets))
        repeated = targets.expand(len(learners), *targets.shape)
        self.metrics.update(torch.stack(losses), torch.stack(scores), repeated)

    def _loss(self, lane: Lane, scores: Tensor, targets: Tensor) -> Tensor:
        """The lane's loss; one that raises fails the lane, and is 0 from then on."""
        if lane.state != "failed":
            try:
                loss: Tensor = lane.learner.loss(scores, targets)
                return loss
            except Exception as error:
                lane.fail(error)
        return scores.new_zeros(())

    def record(self, state: LaneState) -> None:
        """Record the metrics in the lanes that are in the state, and reset."""
        for lane, values in zip(self.lanes, self.metrics.compute(), strict=True):
            if lane.state == state:
                lane.guarded(lane.learner.record, self.stage, values)
