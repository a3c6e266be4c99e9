"""A block of mini-batches in one `training_step`: Lightning's per-step cost, paid once a block.

Each mini-batch gets what Lightning's automatic optimization would do to it, in the same order: forward,
zero the gradients, backward, clip, step, schedule. The step count that checkpoints, loggers and limits see
is that of the optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.data.loader import Batch, Block
from abreast.optim.fused_step import fused_step

if TYPE_CHECKING:
    from abreast.learner.module import Learner


@dataclass(frozen=True)
class StepConfig:
    """How gradients become steps; in ordinary Lightning these are the Trainer's own arguments."""

    accumulate: int = 1
    clip_value: float | None = None
    clip_algorithm: str = "norm"


def execute(learner: Learner, block: Block, stepping: StepConfig) -> None:
    """Train on the block's mini-batches, up to the trainer's `max_steps` or a signal to stop."""
    trainer = learner.trainer
    optimizer = trainer.optimizers[0]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    mixed = isinstance(trainer.precision_plugin, MixedPrecision)
    alone = isinstance(trainer.strategy, SingleDeviceStrategy)
    device = learner.device.type
    closes = needs_closure(optimizer)
    ends_epoch = trainer.is_last_batch
    batches = len(block)
    step = trainer.global_step
    done = 0
    take_step = fused_step(optimizer) or optimizer.step
    forgets = type(optimizer).zero_grad is Optimizer.zero_grad

    def gradients(batch: Batch, *, measure: bool, zero: bool) -> Tensor:
        with trainer.precision_plugin.forward_context() if mixed else nullcontext():
            loss = learner.train_loss(batch, measure=measure)
        if zero and forgets:
            for parameter in parameters:
                parameter.grad = None  # as `zero_grad` does, and no more than that
        elif zero:
            optimizer.zero_grad()
        share = loss / stepping.accumulate if stepping.accumulate > 1 else loss
        if alone:
            share.backward()  # type: ignore[no-untyped-call]
        else:
            learner.manual_backward(share)
        return loss

    # Lightning wraps the whole call in autocast; only the forward pass is to have it.
    with torch.autocast(device, enabled=False) if mixed else nullcontext():
        for number, batch in enumerate(block, start=1):
            micro = (number - 1) % stepping.accumulate
            last = number == batches
            if micro + 1 < stepping.accumulate and not (last and ends_epoch):
                gradients(batch, measure=True, zero=micro == 0)
                continue
            if step == trainer.max_steps:
                break
            due = learner.due(step, last and ends_epoch)
            if closes:
                _step_with_closure(learner, optimizer, batch, gradients, step if due else None)
            else:
                gradients(batch, measure=True, zero=micro == 0)
                if due:
                    learner.sample(step, optimizer)
                clip(parameters, stepping)
                take_step()
            if mixed:
                torch.clear_autocast_cache()  # it holds casts of the weights as they were
            progress.increment_ready()
            progress.increment_completed()
            step += 1
            learner.move_schedule("step")
            done = number
            if learner.halt is not None and alone:  # several ranks agree on it after the block
                break
    cut = learner.halt is not None and done < batches
    if ends_epoch and not cut:
        learner.move_schedule("epoch")
    learner.batches_done = block.start + done


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether a step evaluates the loss itself, as LBFGS's does."""
    parameter = inspect.signature(type(optimizer).step).parameters.get("closure")
    return parameter is not None and parameter.default is inspect.Parameter.empty


def _step_with_closure(
    learner: Learner,
    optimizer: Optimizer,
    batch: Batch,
    gradients: Callable[..., Tensor],
    sampled: int | None,
) -> None:
    """One step of an optimizer that evaluates the batch several times; the first evaluation is measured."""
    first = True

    def closure() -> float:
        nonlocal first
        loss = gradients(batch, measure=first, zero=True)
        if first and sampled is not None:
            learner.sample(sampled, optimizer)
        first = False
        return loss  # type: ignore[return-value]

    optimizer.step(closure)


def clip(parameters: list[nn.Parameter], stepping: StepConfig) -> None:
    """Clip the parameters' gradients in place, as Lightning would."""
    if stepping.clip_value is None:
        return
    if stepping.clip_algorithm == "value":
        nn.utils.clip_grad_value_(parameters, stepping.clip_value)
    else:
        nn.utils.clip_grad_norm_(parameters, stepping.clip_value)
