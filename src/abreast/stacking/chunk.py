"""Lanes that are trained by the same batched operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from abreast.learner.block_step import clip
from abreast.learner.epoch_progress import EpochState
from abreast.losses import Loss
from abreast.metrics.stage import Sample
from abreast.stacking.evaluation import Evaluation
from abreast.stacking.grouping import optimizer_key
from abreast.stacking.lane import Lane
from abreast.stacking.layers import UnsupportedLayerError
from abreast.stacking.loader import StackBlock
from abreast.stacking.losses import StackedLoss
from abreast.stacking.metrics import StackMetrics
from abreast.stacking.optimizers import OptimizerSnapshot, pack
from abreast.stacking.parameters import BufferPool, StackedState
from abreast.stacking.sequential import StackedSequential
from abreast.stacking.shared_batches import equal_neighbours, repeat_by_lane, share_first_product
from abreast.stacking.vmap import VmappedNet


class Chunk:
    """Neighbouring lanes `first, first + 1, ...` of a stack: their weights, optimizers and metrics.

    A chunk needs nothing of another: it can be trained in a thread of its own. `carried` holds the lanes'
    optimizers, where they have been trained before. With `shares`, neighbours of one seed share batches.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        first: int,
        carried: Mapping[Lane, OptimizerSnapshot] | None = None,
        *,
        shares: bool = False,
    ) -> None:
        self.lanes = list(lanes)
        self.place = slice(first, first + len(self.lanes))
        self.learners = [lane.learner for lane in self.lanes]
        nets = [learner.net for learner in self.learners]
        self.state = StackedState(nets)
        self.net: StackedSequential | VmappedNet
        self.why_vmap: str | None = None  # why the network has no bitwise exact batched form
        try:
            generators = [lane.stream for lane in self.lanes]
            self.net = StackedSequential(nets, self.state, generators, self.learners[0].in_shape)
        except UnsupportedLayerError as reason:
            self.net, self.why_vmap = VmappedNet(nets, self.state), str(reason)
        self.groups = equal_neighbours([lane.cfg["seed"] for lane in self.lanes]) if shares else None
        self.multiplies_once = False
        if self.groups is not None and isinstance(self.net, StackedSequential):
            self.multiplies_once = share_first_product(self.net, self.groups)
        self.packs = pack(self.learners, [optimizer_key(lane.cfg) for lane in self.lanes], self.state)
        for each in self.packs:
            if carried is not None:
                each.take_up([carried[self.lanes[number]] for number in each.lanes])
            for number in each.lanes:
                self.lanes[number].enter(number, each)
                self.lanes[number].epoch_state = partial(self.epoch_state, number)
        self.normalize = self.learners[0].normalize
        self.criteria: list[Loss] = [learner.loss for learner in self.learners]
        self.loss = StackedLoss(self.criteria)
        self.train_meter = StackMetrics(self.criteria, [learner.train_metrics for learner in self.learners])
        self.validation = Evaluation(self.lanes, "val")
        self.gathered, self.rooms = BufferPool(most=2), BufferPool(most=2)
        self.losses: list[Tensor] = []  # [S, K] each, of the epoch's steps
        if self.lanes[0].content is not None and self.learners[0].epoch_progress.losses:
            self._take_epoch_state()

    @torch.no_grad()
    def train(self, block: StackBlock, step: int, *, ends_epoch: bool) -> None:
        """Train on the block's mini-batches, the first of which is for optimizer step `step`."""
        learner = self.learners[0]
        batches = len(block)
        kept: list[tuple[list[Tensor], Tensor, Tensor]] = []
        sampled: dict[int, tuple[int, list[float], Tensor]] = {}  # by the step's place in the block
        firsts = None if self.groups is None else [lanes.start for lanes in self.groups]
        for number, (inputs, targets) in enumerate(block.of(self.place, self.gathered, firsts), start=1):
            x = self._normalized(inputs)
            if self.groups is not None:
                targets = repeat_by_lane(targets, self.groups)
                x = x if self.multiplies_once else repeat_by_lane(x, self.groups)
            scores = self.net.forward(x)
            gradient, losses = self.loss.gradient(scores, targets)
            self.net.backward(gradient)
            kept.append((losses, scores, targets))
            if learner.should_sample(step, ends_epoch and number == batches):
                rates = [float(lane.optimizer.param_groups[0]["lr"]) for lane in self.lanes]
                sampled[number - 1] = step, rates, self.state.gradient_norms()
            for each in self.packs:
                for lane, parameters in zip(each.lanes, each.parameters, strict=True):
                    stepping = self.learners[lane].step_config
                    if stepping is not None and stepping.clip_value is not None:
                        clip(parameters, stepping)
                each.step()
                each.move("step")
            step += 1
        if ends_epoch:
            for each in self.packs:
                each.move("epoch")
        if not kept:
            return
        self.losses.append(self.loss.values([losses for losses, *_ in kept]))
        for number, (values, (_, scores, targets)) in enumerate(zip(self.losses[-1], kept, strict=True)):
            self.train_meter.update(values, scores, targets)
            if number in sampled:
                self._sample(values, *sampled[number])

    def _normalized(self, inputs: Tensor) -> Tensor:
        """As the learners' `normalize` has it, always in the same memory."""
        room = self.rooms.aligned(*inputs.shape, like=self.normalize.mean)
        return room.copy_(inputs).sub_(self.normalize.mean).mul_(self.normalize.scale)

    def epoch_state(self, number: int) -> EpochState:
        """What has come of the epoch so far in one lane, as its plain run would save it."""
        losses = [step[number].clone() for block in self.losses for step in block]
        return self.learners[number].epoch_progress.state(self.train_meter.state(number), losses)

    def _take_epoch_state(self) -> None:
        """Go on within an epoch, as the learners say."""
        self.losses.append(
            torch.stack([torch.stack(learner.epoch_progress.losses) for learner in self.learners], 1)
        )
        self.train_meter.load_states([learner.train_metrics.state() for learner in self.learners])

    def _sample(self, losses: Tensor, step: int, rates: list[float], norms: Tensor) -> None:
        for lane, rate, loss, norm in zip(self.lanes, rates, losses.unbind(), norms.unbind(), strict=True):
            if lane.running:
                lane.learner.epoch_progress.samples.append(Sample(step, rate, loss, norm))
