"""Lanes that are trained by the same batched operations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from abreast.errors import DivergedError
from abreast.learner.epoch_progress import EpochState
from abreast.metrics.stage import Sample
from abreast.stacking.chunk_step import ChunkStep, MiniBatch, StepRecord
from abreast.stacking.evaluation import evaluations
from abreast.stacking.grouping import equal_neighbours, is_said_elementwise, optimizer_key
from abreast.stacking.lane import Lane
from abreast.stacking.layers import UnsupportedLayerError
from abreast.stacking.loader import StackBlock
from abreast.stacking.losses.stacked_loss import StackedLoss
from abreast.stacking.metrics import StackMetrics
from abreast.stacking.optimizers.groups import OptimizerGroup, optimizer_groups
from abreast.stacking.optimizers.lane_state import OptimizerSnapshot
from abreast.stacking.parameters import StackedState
from abreast.stacking.sequential import StackedSequential, is_on_device
from abreast.stacking.shared_batches import allow_bf16_copies, batches_key, share_first_product
from abreast.stacking.vmap import VmappedNet


class _StepSample(NamedTuple):
    """What is sampled of a step for the loggers, besides its losses.

    Attributes:
        steps: Optimizer steps before it, by the number of each lane for which it is sampled.
        rates: The learning rate of each lane.
        grad_norms: The norm of each lane's gradient, `[K]`.
    """

    steps: dict[int, int]
    rates: list[float]
    grad_norms: Tensor


class Chunk:
    """Neighbouring lanes of a stack: their weights, optimizers and metrics.

    Chunks are independent: they can be trained by several threads. The lanes of one have epochs of equal
    length, others' may be longer or shorter. Each lane is at an epoch of its own.

    Args:
        lanes: The chunk's lanes.
        first: Position of the first one among the stack's lanes.
        snapshots: State of the lanes' optimizers, where they have been trained before.
        shared_batches: Whether neighbours of one seed and split share their mini-batches.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        first: int,
        snapshots: Mapping[Lane, OptimizerSnapshot] = MappingProxyType({}),
        *,
        shared_batches: bool = False,
    ) -> None:
        self.lanes = list(lanes)
        self.position = slice(first, first + len(self.lanes))
        self.learners = [lane.learner for lane in self.lanes]
        self.examples = self.lanes[0].data.examples_per_epoch  # the same in all lanes
        nets = [learner.net for learner in self.learners]
        self.state = StackedState(nets)
        self.net: StackedSequential | VmappedNet
        self.why_vmap: str | None = None  # why the network has no batched form that is bitwise exact
        try:
            generators = [lane.random.generator for lane in self.lanes]
            self.net = StackedSequential(nets, self.state, generators, self.learners[0].net_shape)
        except UnsupportedLayerError as reason:
            self.net, self.why_vmap = VmappedNet(nets, self.state), str(reason)
        self.sharing = equal_neighbours(list(map(batches_key, self.lanes))) if shared_batches else None
        self.shares_product = False
        if self.sharing is not None and isinstance(self.net, StackedSequential):
            allow_bf16_copies(self.net.layers)
            self.shares_product = share_first_product(self.net, self.sharing)
        keys = [f"{optimizer_key(lane.cfg)} {lane.steps}" for lane in self.lanes]
        said = [is_said_elementwise(lane.cfg) for lane in self.lanes]
        self.optimizer_groups = optimizer_groups(self.learners, keys, self.state, said)
        for group in self.optimizer_groups:
            group.restore([snapshots.get(self.lanes[number]) for number in group.lanes])
            for number in group.lanes:
                self.lanes[number].join(number, group)
                self.lanes[number].epoch_state = partial(self.epoch_state, number)
        self.normalize = self.learners[0].normalize
        losses = [learner.loss for learner in self.learners]
        randoms = [lane.random for lane in self.lanes]
        self.loss = StackedLoss(losses, randoms, on_device=is_on_device(self.state))
        train_metrics = [learner.train_metrics for learner in self.learners]
        self.train_metrics = StackMetrics(losses, train_metrics, mixed=losses[0].mixed)
        self.validations = evaluations(self.lanes, "val")
        self.step = ChunkStep(
            self.learners,
            self.net,
            self.state,
            self.loss,
            self.optimizer_groups,
            self.sharing,
            shares_product=self.shares_product,
            one_data=len({lane.data for lane in self.lanes}) == 1,
        )
        self.step.use_graphs([lane.cfg for lane in self.lanes])
        self.losses: list[Tensor] = []  # [S, K] each, of the epoch's steps
        if self.lanes[0].resumed_from is not None and self.learners[0].epoch_progress.losses:
            self._restore_epoch()

    @torch.no_grad()
    def train(self, block: StackBlock, *, ends_epoch: bool) -> None:
        """Train on the block's mini-batches.

        Args:
            block: Mini-batches of all of the stack's lanes.
            ends_epoch: Whether the block is the epoch's last.
        """
        before = {number: lane.steps for number, lane in enumerate(self.lanes) if lane.running}
        examples = block.examples(self.examples)
        batches = math.ceil(examples / block.batch_size)
        records: list[StepRecord] = []
        samples: dict[int, _StepSample] = {}  # by the step's position in the block
        part = block.of(self.position, examples, self.step.only)
        settings = self.step.settings()
        for position, rows in enumerate(part.positions()):
            due = self._due(before, position, ends_epoch and position + 1 == batches)
            batch = MiniBatch(part, part.start + position, rows, is_sampled=bool(due))
            record, norms = self.step.take(batch, settings, self._fail_lanes)
            records.append(record)
            if norms is not None:
                samples[position] = self._sample(due, norms)
            for group in self.optimizer_groups:
                self._step_schedule(group, "step")
        if ends_epoch:
            for group in self.optimizer_groups:
                self._step_schedule(group, "epoch")
        if records:
            self._measure(records, samples)

    def _step_schedule(self, group: OptimizerGroup, interval: str) -> None:
        """Step the group's schedule; one that refuses, as after its last step, fails the group's lanes."""
        if group.schedule is None:
            return
        lanes = [self.lanes[number] for number in group.lanes if self.lanes[number].running]
        try:
            if lanes:
                group.step_schedule(interval)
        except Exception as error:
            for lane in lanes:
                lane.fail(error)

    def _due(self, before: Mapping[int, int], position: int, is_last: bool) -> dict[int, int]:
        """The lanes for which a step of the block is sampled, with the optimizer steps before it.

        Args:
            before: The lanes' optimizer steps before the block.
            position: Steps of the block that were done.
            is_last: Whether the step is the epoch's last.
        """
        learner = self.learners[0]
        due = {steps for steps in set(before.values()) if learner.should_sample(steps + position, is_last)}
        return {number: steps + position for number, steps in before.items() if steps in due} if due else {}

    def _fail_lanes(self, errors: Mapping[int, Exception]) -> None:
        """End the lanes whose losses or optimizers have raised."""
        for number, error in errors.items():
            if self.lanes[number].running:
                self.lanes[number].fail(error)

    def _sample(self, steps: dict[int, int], grad_norms: Tensor) -> _StepSample:
        rates = [float(lane.param_group["lr"]) for lane in self.lanes if lane.param_group is not None]
        return _StepSample(steps, rates, grad_norms)

    def _measure(self, records: Sequence[StepRecord], samples: Mapping[int, _StepSample]) -> None:
        self.losses.append(self.loss.values([record.saved for record in records]))
        for position, (losses, record) in enumerate(zip(self.losses[-1], records, strict=True)):
            self.train_metrics.update(losses, record.scores, record.targets)
            if position not in samples:
                continue
            steps, rates, grad_norms = samples[position]
            by_lane = zip(self.lanes, rates, losses.unbind(), grad_norms.unbind(), strict=True)
            for number, (lane, rate, loss, grad_norm) in enumerate(by_lane):
                if lane.running and number in steps:
                    sample = Sample(steps[number], rate, loss, grad_norm)
                    lane.learner.epoch_progress.samples.append(sample)

    def record_epoch(self) -> None:
        """Record the epoch's metrics in the running lanes; one whose loss was not finite has failed."""
        losses, self.losses = torch.cat(self.losses), []
        finite = losses.isfinite()
        all_finite = finite.all(0).tolist()
        first_not_finite = finite.long().argmin(0).tolist()
        by_lane = zip(self.lanes, all_finite, first_not_finite, self.train_metrics.compute(), strict=True)
        for lane, is_finite, position, values in by_lane:
            if lane.running and is_finite:
                lane.guarded(lane.learner.record, "train", values)
                lane.learner.epoch_progress.first_step = lane.steps
            elif lane.running:
                lane.fail(DivergedError(lane.learner.epoch_progress.first_step + position))

    def epoch_state(self, number: int) -> EpochState:
        """What the epoch has come to in a lane, as its individual run would save it."""
        losses = [step[number].clone() for block in self.losses for step in block]
        return self.learners[number].epoch_progress.state(self.train_metrics.state(number), losses)

    def _restore_epoch(self) -> None:
        """Resume within an epoch, from what the learners have loaded."""
        losses = [torch.stack(learner.epoch_progress.losses) for learner in self.learners]
        self.losses.append(torch.stack(losses, 1))
        self.train_metrics.load_states([learner.train_metrics.state() for learner in self.learners])
