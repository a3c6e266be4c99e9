"""A block of mini-batches in one `training_step`: Lightning's per-step cost, paid once a block.

Each mini-batch gets what Lightning's automatic optimization would do to it, in the same order: forward,
zero the gradients, backward, clip, step, schedule. The step count that checkpoints, loggers and limits see
is that of the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


def train_block(module: BlockModule, block: Block, config: StepConfig) -> int:
    """Train on the block's mini-batches, up to the trainer's `max_steps` or a signal to stop.

    Args:
        module: The module in training, attached to its Trainer.
        block: Consecutive mini-batches of one epoch.
        config: How gradients become optimizer steps.

    Returns:
        The number of mini-batches that were trained on, from the block's first.
    """
    trainer = module.trainer
    optimizer = trainer.optimizers[0]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    progress = step_progress(trainer)
    is_mixed = isinstance(trainer.precision_plugin, MixedPrecision)
    is_single = isinstance(trainer.strategy, SingleDeviceStrategy)
    uses_closure, uses_graph = needs_closure(optimizer), needs_graph(optimizer)
    ends_epoch = trainer.is_last_batch
    batches = len(block)
    step = trainer.global_step
    done = 0
    take_step = fused_step(optimizer) or optimizer.step
    zeroes_plainly = type(optimizer).zero_grad is Optimizer.zero_grad

    def update() -> None:
        clip(parameters, config)
        take_step()

    def backward(batch: Batch, *, measure: bool, zero: bool) -> Tensor:
        with trainer.precision_plugin.forward_context() if is_mixed else nullcontext():
            loss = module.train_loss(batch, measure=measure)
        if zero and zeroes_plainly:
            for parameter in parameters:
                parameter.grad = None  # as `zero_grad` does, without its overhead
        elif zero:
            optimizer.zero_grad()
        share = loss / config.accumulate if config.accumulate > 1 else loss
        if is_single:
            differentiate(share, with_graph=uses_graph)
        else:
            module.manual_backward(share)
        return loss

    recorded: RecordedStep | None = None
    is_plain = is_single and not uses_closure and block.augment is None
    if is_plain and module.graphs.is_on(module.device):
        recorded = RecordedStep(module, module.net, optimizer, block, update)
    # Lightning wraps the whole call in autocast; only the forward pass is to have it.
    with torch.autocast(module.device.type, enabled=False) if is_mixed else nullcontext():
        items: Iterable[Any] = block if recorded is None else block.indices()
        for number, batch in enumerate(items, start=1):
            micro = (number - 1) % config.accumulate
            is_last = number == batches
            if micro + 1 < config.accumulate and not (is_last and ends_epoch):
                backward(batch, measure=True, zero=micro == 0)
                continue
            if step == trainer.max_steps:
                break
            is_sampled = module.should_sample(step, is_last and ends_epoch)
            if recorded is not None:
                recorded.take(batch, step if is_sampled else None)
            elif uses_closure:
                _step_with_closure(module, optimizer, batch, backward, step if is_sampled else None)
            else:
                backward(batch, measure=True, zero=micro == 0)
                if is_sampled:
                    module.sample(step, optimizer)
                update()
            if is_mixed:
                torch.clear_autocast_cache()  # it holds casts of the weights as they were
            progress.increment_ready()
            progress.increment_completed()
            step += 1
            module.step_schedule("step")
            done = number
            if module.stop_signal is not None and is_single:  # several ranks agree on it after the block
                break
    is_cut_short = module.stop_signal is not None and done < batches
    if ends_epoch and not is_cut_short:
        module.step_schedule("epoch")
    return done


def _step_with_closure(
    module: BlockModule,
    optimizer: Optimizer,
    batch: Batch,
    backward: Callable[..., Tensor],
    sampled_step: int | None,
) -> None:
    """One step of an optimizer that evaluates the batch several times; the first evaluation is measured."""
    is_first = True

    def closure() -> float:
        nonlocal is_first
        loss = backward(batch, measure=is_first, zero=True)
        if is_first and sampled_step is not None:
            module.sample(sampled_step, optimizer)
        is_first = False
        return loss  # type: ignore[return-value]

    optimizer.step(closure)


def clip(parameters: list[nn.Parameter], config: StepConfig) -> None:
    """Clip the parameters' gradients in place, as Lightning would."""
    if config.clip_value is None:
        return
    if config.clip_algorithm == "value":
        nn.utils.clip_grad_value_(parameters, config.clip_value)
    else:
        nn.utils.clip_grad_norm_(parameters, config.clip_value)
