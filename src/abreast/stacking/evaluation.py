"""The same rows measured in some lanes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abreast.stacking.lane import Lane
from abreast.stacking.metrics import StackMetrics


class Evaluation:
    """Loss and metrics of `stage` (val or test) in some lanes, each by its own network."""

    def __init__(self, lanes: Sequence[Lane], stage: str) -> None:
        self.lanes = list(lanes)
        self.stage = stage
        learners = [lane.learner for lane in lanes]
        self.meter = StackMetrics(
            [learner.loss for learner in learners],
            [getattr(learner, f"{stage}_metrics") for learner in learners],
        )

    @torch.no_grad()
    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """Take rows: inputs `[B, *shape]` as stored, targets `[B]`."""
        learners = [lane.learner for lane in self.lanes]
        x = learners[0].normalize(inputs)
        scores = [learner.net(x) for learner in learners]
        losses = [learner.loss(own, targets) for learner, own in zip(learners, scores, strict=True)]
        every = targets.expand(len(learners), *targets.shape)
        self.meter.update(torch.stack(losses), torch.stack(scores), every)

    def take(self, state: str) -> None:
        """Give the metrics to the lanes of that state; then begin anew."""
        for lane, values in zip(self.lanes, self.meter.compute(), strict=True):
            if lane.state == state:
                lane.guarded(lane.measure, self.stage, values)
