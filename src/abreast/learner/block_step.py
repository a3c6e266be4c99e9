"""A block of mini-batches in one `training_step`: Lightning's per-step cost, paid once a block.

Each mini-batch gets what Lightning's automatic optimization would do to it, in the same order: forward,
zero the gradients, backward, clip, step, schedule. The step count that checkpoints, loggers and limits see
is that of the optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.data.loader import Batch, Block
from abreast.learner.lightning_loops import step_progress
from abreast.learner.recorded_step import RecordedModule, RecordedStep
from abreast.optim.fused_step import fused_step
from abreast.optim.late_gradients import prepare_late_gradients
from abreast.optim.step_needs import backward as differentiate
from abreast.optim.step_needs import needs_closure, needs_graph


@dataclass(frozen=True)
class StepConfig:
    """How gradients become optimizer steps; in ordinary Lightning these are arguments of the Trainer.

    Attributes:
        accumulate: Mini-batches whose gradients are accumulated for one optimizer step.
        clip_value: Bound of the gradients, or None.
        clip_algorithm: Whether `norm` or `value` is bounded.
    """

    accumulate: int = 1
    clip_value: float | None = None
    clip_algorithm: str = "norm"


class BlockModule(RecordedModule, Protocol):
    """What the steps of a block call and read of the module that they train; they set none of it."""

    stop_signal: int | None
    net: nn.Module

    @property
    def device(self) -> torch.device: ...

    def train_loss(self, batch: Batch, *, measure: bool) -> Tensor: ...

    def manual_backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None: ...

    def should_sample(self, step: int, is_last: bool) -> bool: ...

    def step_schedule(self, interval: str) -> None: ...


class _Steps:
    """What each mini-batch of a block takes, up to the optimizer's step."""

    def __init__(self, module: BlockModule, config: StepConfig) -> None:
        trainer = module.trainer
        self.module, self.config = module, config
        self.optimizer = optimizer = trainer.optimizers[0]
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        precision = trainer.precision_plugin
        self.mixed = precision if isinstance(precision, MixedPrecision) else None
        self.is_single = isinstance(trainer.strategy, SingleDeviceStrategy)
        self.uses_closure = needs_closure(optimizer)
        self._uses_graph = needs_graph(optimizer)
        self._take_step = fused_step(optimizer) or self._step_by_torch
        self._zeroes_plainly = type(optimizer).zero_grad is Optimizer.zero_grad

    def backward(self, batch: Batch, *, measure: bool, zero: bool) -> Tensor:
        """Add a mini-batch's gradients, to none if `zero`; its loss."""
        with nullcontext() if self.mixed is None else self.mixed.forward_context():
            loss = self.module.train_loss(batch, measure=measure)
        if zero and self._zeroes_plainly:
            for parameter in self.parameters:
                parameter.grad = None  # as `zero_grad` does, without its overhead
        elif zero:
            self.optimizer.zero_grad()
        accumulate = self.config.accumulate
        share = loss / accumulate if accumulate > 1 else loss
        if self.is_single:
            differentiate(share, with_graph=self._uses_graph)
        else:
            self.module.manual_backward(share)
        return loss

    def update(self) -> None:
        """Clip the gradients, and step the optimizer."""
        clip(self.parameters, self.config)
        self._take_step()

    def _step_by_torch(self) -> None:
        prepare_late_gradients(self.optimizer)
        self.optimizer.step()

    def take(self, batch: Batch, *, zero: bool, sampled_step: int | None) -> None:
        """The mini-batch that ends an optimizer step, which is sampled if it has a number."""
        if self.uses_closure:
            self._take_with_closure(batch, sampled_step)
            return
        self.backward(batch, measure=True, zero=zero)
        if sampled_step is not None:
            self.module.sample(sampled_step, self.optimizer)
        self.update()

    def _take_with_closure(self, batch: Batch, sampled_step: int | None) -> None:
        """The optimizer evaluates the batch several times; the first evaluation is measured."""
        is_first = True

        def closure() -> float:
            nonlocal is_first
            loss = self.backward(batch, measure=is_first, zero=True)
            if is_first and sampled_step is not None:
                self.module.sample(sampled_step, self.optimizer)
            is_first = False
            return loss  # type: ignore[return-value]

        self.optimizer.step(closure)


def train_block(module: BlockModule, block: Block, config: StepConfig) -> int:
    """Train on the block's mini-batches, up to the trainer's `max_steps` or a signal to stop.

    Args:
        module: The module in training, attached to its Trainer.
        block: Consecutive mini-batches of one epoch.
        config: How gradients become optimizer steps.

    Returns:
        The number of mini-batches that were trained on, from the block's first.
    """
    trainer, steps = module.trainer, _Steps(module, config)
    progress = step_progress(trainer)
    ends_epoch, batches = trainer.is_last_batch, len(block)
    step, done = trainer.global_step, 0
    recorded: RecordedStep | None = None
    is_plain = steps.is_single and not steps.uses_closure and block.augment is None
    if is_plain and module.graphs.is_on(module.device):
        recorded = RecordedStep(module, module.net, steps.optimizer, block, steps.update)
    # Lightning wraps the whole call in autocast; only the forward pass is to have it.
    with nullcontext() if steps.mixed is None else torch.autocast(module.device.type, enabled=False):
        items: Iterable[Any] = block if recorded is None else block.indices()
        for number, batch in enumerate(items, start=1):
            micro = (number - 1) % config.accumulate
            ends_here = ends_epoch and number == batches
            if micro + 1 < config.accumulate and not ends_here:
                steps.backward(batch, measure=True, zero=micro == 0)
                continue
            if step == trainer.max_steps:
                break
            sampled_step = step if module.should_sample(step, ends_here) else None
            if recorded is not None:
                recorded.take(batch, sampled_step)
            else:
                steps.take(batch, zero=micro == 0, sampled_step=sampled_step)
            if steps.mixed is not None:
                torch.clear_autocast_cache()  # it holds casts of the weights as they were
            progress.increment_ready()
            progress.increment_completed()
            step += 1
            module.step_schedule("step")
            done = number
            if module.stop_signal is not None and steps.is_single:  # several ranks agree after the block
                break
    is_cut_short = module.stop_signal is not None and done < batches
    if ends_epoch and not is_cut_short:
        module.step_schedule("epoch")
    return done


def clip(parameters: list[nn.Parameter], config: StepConfig) -> None:
    """Clip the parameters' gradients in place, as Lightning would."""
    if config.clip_value is None:
        return
    if config.clip_algorithm == "value":
        nn.utils.clip_grad_value_(parameters, config.clip_value)
    else:
        nn.utils.clip_grad_norm_(parameters, config.clip_value)
