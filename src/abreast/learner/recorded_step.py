"""The steps of a run by its CUDA graphs: what a mini-batch takes in a block, on the device alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.data.loader import Block
from abreast.learner.schedule import Schedule
from abreast.losses import Loss
from abreast.optim.capturable import plain_settings, rates_on_device
from abreast.optim.step_needs import backward
from abreast.runtime.cuda_graph import StepGraphs


class RecordedModule(Protocol):
    """What a recorded step calls and reads of the module in training."""

    graphs: StepGraphs
    loss: Loss
    schedule: Schedule | None

    @property
    def trainer(self) -> Trainer: ...

    def forward(self, inputs: Tensor) -> Tensor: ...

    def count(self, loss: Tensor, scores: Tensor, targets: Tensor) -> None: ...

    def sample(self, step: int, optimizer: Optimizer, grad_norm: Tensor | None = None) -> None: ...


def gradient_norm(net: nn.Module) -> Tensor:
    """The norm of the network's gradient over all parameters, a 0-d tensor."""
    return nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])


class RecordedStep:
    """Takes the steps of a block's mini-batches, given their examples' positions.

    Args:
        module: The module in training.
        net: Its network.
        optimizer: Its optimizer.
        block: The mini-batches.
        update: Clips the gradients and steps the optimizer.
    """

    def __init__(
        self,
        module: RecordedModule,
        net: nn.Module,
        optimizer: Optimizer,
        block: Block,
        update: Callable[[], None],
    ) -> None:
        self.module = module
        self.net = net
        self.optimizer = optimizer
        self.block = block
        self.update = update
        schedule = module.schedule
        self.has_rates = schedule is not None and schedule.interval == "step" and schedule.monitor is None
        precision = module.trainer.precision_plugin
        self._mixed = precision if isinstance(precision, MixedPrecision) else None

    def take(self, indices: Tensor, sampled_step: int | None) -> None:
        """Train on the examples, count their loss and metrics, and sample the step if it has a number."""
        is_sampled = sampled_step is not None

        def step(indices: Tensor) -> list[Tensor]:
            return self._step(indices, is_sampled)

        graphs = self.module.graphs
        with rates_on_device(self.optimizer, self._rate) if self.has_rates else nullcontext():
            settings = plain_settings([self.optimizer])
            loss, scores, targets, *norms = graphs.run(is_sampled, settings, [indices], step)
        self.module.count(loss, scores, targets)
        if sampled_step is not None:
            self.module.sample(sampled_step, self.optimizer, norms[0])

    def _rate(self, group: int, value: float) -> Tensor:
        device = self.block.order.device
        return self.module.graphs.scalar(("rate", group), value, device)

    def _step(self, indices: Tensor, is_sampled: bool) -> list[Tensor]:
        inputs, targets = self.block.gather(indices)
        with nullcontext() if self._mixed is None else self._mixed.forward_context():
            scores = self.module.forward(inputs)
            loss = self.module.loss(scores, targets)
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        backward(loss, with_graph=False)
        norms = [gradient_norm(self.net)] if is_sampled else []
        self.update()
        if self._mixed is not None:
            torch.clear_autocast_cache()  # it holds casts of the weights as they were
        return [loss.detach(), scores.detach(), targets, *norms]
