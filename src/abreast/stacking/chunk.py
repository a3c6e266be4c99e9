"""Lanes that are trained by the same batched operations."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import Tensor

from abreast.execution import clip
from abreast.losses import Loss
from abreast.metrics import Meter
from abreast.models import MLP
from abreast.stacking.grouping import optimizer_key
from abreast.stacking.lanes import Lane
from abreast.stacking.loader import StackBlock
from abreast.stacking.losses import StackedLoss
from abreast.stacking.meter import StackMeter
from abreast.stacking.network import StackedMLP
from abreast.stacking.optimizers import pack
from abreast.stacking.state import State
from abreast.stacking.vmapped import Vmapped


class Chunk:
    """Neighbouring lanes `first, first + 1, ...` of a stack: their weights, optimizers and metrics.

    A chunk needs nothing of another: it can be trained in a thread of its own.
    """

    def __init__(self, lanes: Sequence[Lane], first: int) -> None:
        self.lanes = list(lanes)
        self.place = slice(first, first + len(self.lanes))
        self.learners = [lane.learner for lane in self.lanes]
        nets = [learner.net for learner in self.learners]
        self.state = State(nets)
        streams = [lane.stream for lane in self.lanes]
        is_mlp = type(nets[0]) is MLP
        self.net: StackedMLP | Vmapped = (
            StackedMLP(nets, self.state, streams) if is_mlp else Vmapped(nets, self.state)
        )
        self.packs = pack(self.learners, [optimizer_key(lane.cfg) for lane in self.lanes], self.state)
        for each in self.packs:
            for number in each.lanes:
                self.lanes[number].pack = each
        for number, lane in enumerate(self.lanes):
            lane.number = number
            lane.optimizer = SimpleNamespace(param_groups=[lane.pack.group(number)])
        self.normalize = self.learners[0].normalize
        self.criteria: list[Loss] = [learner.loss for learner in self.learners]
        self.loss = StackedLoss(self.criteria)
        self.train_meter = self._meter([learner.train_meter for learner in self.learners])
        self.val_meter = self._meter([learner.val_meter for learner in self.learners])
        self.test_meter = self._meter([learner.test_meter for learner in self.learners])
        self.losses: list[Tensor] = []  # [K] each, of the epoch's steps

    def _meter(self, meters: Sequence[Meter]) -> StackMeter:
        return StackMeter(self.criteria, meters)

    def train(self, block: StackBlock, step: int, *, ends_epoch: bool) -> None:
        """Train on the block's mini-batches, the first of which is for optimizer step `step`."""
        learner = self.learners[0]
        batches = len(block)
        for number, (inputs, targets) in enumerate(block.of(self.place), start=1):
            losses, scores = self._gradients(inputs, targets)
            self.losses.append(losses)
            self.train_meter.update(losses, scores, targets)
            if learner.due(step, ends_epoch and number == batches):
                self._sample(step, losses)
            for each in self.packs:
                for lane, parameters in zip(each.lanes, each.parameters, strict=True):
                    stepping = self.learners[lane].stepping
                    if stepping is not None and stepping.clip_value is not None:
                        clip(parameters, stepping)
                each.optimizer.step()
                each.move("step")
            step += 1
        if ends_epoch:
            for each in self.packs:
                each.move("epoch")

    def _gradients(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses `[K]` and scores `[K, B, C]` of a mini-batch; the gradients are then in the state."""
        x = self.normalize(inputs)
        if not self.net.fits(x.shape[1]):
            return self._one_by_one(x, targets)
        for name in self.net.by_autograd:
            self.state.parameters[name].grad = None
        scores = self.net(x)
        losses = self.loss(scores, targets)
        torch.autograd.backward(losses, [torch.ones_like(part) for part in losses])
        for name in self.net.by_autograd:
            gradient = self.state.parameters[name].grad
            assert gradient is not None
            self.state.gradients[name].copy_(gradient)
        return torch.cat([part.detach() for part in losses]), scores.detach()

    def _one_by_one(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The same by the lanes' own networks, on rows that lie as a plain run's."""
        losses, scores = [], []
        for lane, x, target in zip(self.lanes, inputs.unbind(), targets.unbind(), strict=True):
            learner = lane.learner
            with lane.own_stream():
                own = learner.net(x.clone())
            loss = learner.loss(own, target)
            parameters = [*learner.net.parameters()]
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                assert parameter.grad is not None
                parameter.grad.copy_(gradient)
            losses.append(loss.detach())
            scores.append(own.detach())
        return torch.stack(losses), torch.stack(scores)

    def _sample(self, step: int, losses: Tensor) -> None:
        for lane, loss in zip(self.lanes, losses.unbind(), strict=True):
            if lane.running:
                lane.learner._losses = [loss]
                lane.learner.sample(step, lane.optimizer)

    @torch.no_grad()
    def evaluate(self, inputs: Tensor, targets: Tensor, meter: StackMeter) -> None:
        """Measure the same rows, inputs `[B, *shape]` as stored, in every lane."""
        x = self.normalize(inputs)
        scores = [learner.net(x) for learner in self.learners]
        losses = [loss(own, targets) for loss, own in zip(self.criteria, scores, strict=True)]
        every = targets.expand(len(self.lanes), *targets.shape)
        meter.update(torch.stack(losses), torch.stack(scores), every)
