"""The same examples measured in some lanes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from abreast.data.datamodule import DataModule
from abreast.data.loader import EvalLoader, batches
from abreast.errors import first_line
from abreast.stacking.batched_evaluation import ROWS, BatchedLossValues, BatchedScores
from abreast.stacking.lane import Lane, LaneState
from abreast.stacking.metrics import StackMetrics

log = logging.getLogger(__name__)

Stage = Literal["val", "test"]


def evaluations(lanes: Sequence[Lane], stage: Stage) -> list[Evaluation]:
    """The evaluations of lanes that may have different splits, one for each split."""
    by_split: dict[DataModule, list[Lane]] = {}
    for lane in lanes:
        by_split.setdefault(lane.data, []).append(lane)
    return [Evaluation(members, stage) for members in by_split.values()]


class Evaluation:
    """Loss and metrics of a stage in some lanes of one split, each by its own network.

    On a device the lanes' networks and losses are batched, where that gives what each gives by itself.
    """

    def __init__(self, lanes: Sequence[Lane], stage: Stage) -> None:
        self.lanes = list(lanes)
        self.stage = stage
        learners = [lane.learner for lane in lanes]
        self.metrics = StackMetrics(
            [learner.loss for learner in learners],
            [learner.val_metrics if stage == "val" else learner.test_metrics for learner in learners],
        )
        self._scores: BatchedScores | None = None
        self._losses: BatchedLossValues | None = None
        self._is_new = is_on_device(self.lanes) and len(self.lanes) > 1

    def measure(self) -> None:
        """Measure all examples of the stage."""
        data = self.lanes[0].data
        loader = data.val_dataloader() if self.stage == "val" else data.test_dataloader()
        assert isinstance(loader, EvalLoader), "a stage without examples is not measured"
        if self._scores is not None:
            with suppress(torch.OutOfMemoryError):  # what is not loaded is computed lane by lane
                self._scores.load()
        for item in loader:
            for part in batches(item):
                self.update(*part)
        if self._scores is not None:
            self._scores.unload()

    @torch.no_grad()
    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """Measure examples: inputs `[B, *shape]` as stored, targets `[B]`."""
        x = self.lanes[0].learner.normalize(inputs)
        if self._is_new:
            self._batch(x, targets)
        scores = self._tried(self._scores, x)
        losses = None if scores is None else self._tried(self._losses, scores, targets)
        if scores is None or losses is None:
            scores, losses = self._lane_by_lane(x, targets, scores)
        self.metrics.update(losses, scores, targets.expand(len(self.lanes), *targets.shape))

    def _batch(self, x: Tensor, targets: Tensor) -> None:
        """Batch what gives the same batched; a line says what does not, and why."""
        self._is_new = False
        learners = [lane.learner for lane in self.lanes]
        try:
            scores = BatchedScores([learner.net for learner in learners])
            scores.load()
            scores.check(x)
            self._scores = scores
            losses = BatchedLossValues([learner.loss for learner in learners], x.device)
            losses.check(scores(x[:ROWS]), targets[:ROWS])
            self._losses = losses
        except Exception as error:
            what = "losses" if self._scores else "scores"
            _say(
                f"The {what} of validation and test are computed lane by lane, which takes longer",
                first_line(error),
            )

    def _tried(self, batched: Callable[..., Tensor] | None, *tensors: Tensor) -> Tensor | None:
        """What a batched form gives; None if there is none, or it raises: a lane's own form will say why."""
        try:
            return None if batched is None else batched(*tensors)
        except Exception:
            return None

    def _lane_by_lane(self, x: Tensor, targets: Tensor, batched: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores `[K, B, C]`, unless they are given, and losses `[K]`."""
        scores, losses = [], []
        for number, lane in enumerate(self.lanes):
            with lane.random.as_global() if lane.is_custom else nullcontext():
                scores.append(lane.learner.net(x) if batched is None else batched[number])
                losses.append(self._loss(lane, scores[-1], targets))
        return torch.stack(scores), torch.stack(losses)

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


def is_on_device(lanes: Sequence[Lane]) -> bool:
    """Whether the lanes are on another device than the CPU, where a lane alone is bitwise its run."""
    return lanes[0].learner.normalize.mean.device.type != "cpu"


@lru_cache(maxsize=64)
def _say(what: str, why: str) -> None:
    """Log it, once for all chunks, epochs and stages."""
    log.info("%s: %s", what, why)
