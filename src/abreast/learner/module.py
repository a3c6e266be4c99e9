"""The LightningModule: any network under any loss and any optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from abreast.data.loader import Batch, Block, batches
from abreast.data.rank_shard import Part
from abreast.errors import DivergedError
from abreast.learner.block_step import StepConfig, execute
from abreast.learner.data_parallel import part_loss, sum_losses
from abreast.learner.resume_state import Resumable, State, position, settle, take_up
from abreast.losses import Loss
from abreast.metrics.stage import Sample, StageMetrics


class Normalize(nn.Module):
    """Stored inputs, of any dtype, to float32 with the training rows' mean 0 and standard deviation 1."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1.0 / std, dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape as the inputs, in the module's precision."""
        if inputs.is_floating_point():  # which may be the caller's own, and is left as it is
            return inputs.to(self.mean.dtype).sub(self.mean).mul_(self.scale)
        return inputs.to(self.mean.dtype).sub_(self.mean).mul_(self.scale)


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule: how it is made, and whether it moves by `step` or by `epoch`."""

    make: Callable[[Optimizer], LRScheduler]
    interval: str
    monitor: str | None = None


class Learner(LightningModule):
    """A network with its loss, optimizer and schedule.

    The network takes normalised inputs `[B, *shape]` and gives raw scores `[B, out]`. `forward` takes
    inputs as stored, so a checkpoint predicts from raw pixels, which go up to `peak`. `values` holds the
    epoch's (and after a test the test's) metrics by name; `samples` one in `log_every` optimizer steps,
    for the loggers.

    With `stepping` None this is ordinary Lightning: a `training_step` is a mini-batch. With a `StepConfig`
    it is a block of mini-batches (see `abreast.learner.block_step`), with the same weights to the bit.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        optimizer: Callable[[Any], Optimizer],
        schedule: Schedule | None = None,
        *,
        in_shape: tuple[int, ...],
        out_features: int,
        classes: tuple[str, ...] = (),
        peak: int | None = None,
        mean: float = 0.0,
        std: float = 1.0,
        stepping: StepConfig | None = None,
        total_steps: int = 0,
        log_every: int = 50,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.net = net
        self.loss = loss
        self.in_shape = in_shape
        self.out_features = out_features
        self.classes = classes
        self.peak = peak
        self.train_meter = StageMetrics(classes, ignore_index=loss.ignore_index)
        self.val_meter = StageMetrics(classes, ignore_index=loss.ignore_index)
        self.test_meter = StageMetrics(classes, ignore_index=loss.ignore_index, full=True)
        self.values: dict[str, float] = {}
        self.confusion: list[list[int]] | None = None
        self.samples: list[Sample] = []
        self.automatic_optimization = stepping is None
        self.stepping = stepping
        self.total_steps = total_steps
        self.log_every = log_every
        self._make_optimizer = optimizer
        self.schedule = schedule
        self.losses: list[Tensor] = []  # of the epoch's mini-batches
        self.first_step = 0  # of the epoch
        self.batches_done = 0  # of the epoch
        self.halt: int | None = None  # the signal to stop at the next step boundary
        self._stood: State | None = None
        self._last_seen = (-1, -1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Raw scores `[B, out]` of inputs as stored."""
        scores: Tensor = self.net(self.normalize(inputs))
        return scores

    def _step(self, batch: Batch, meter: StageMetrics | None) -> Tensor:
        inputs, targets = batch
        scores = self.forward(inputs)
        loss: Tensor = self.loss(scores, targets)
        if meter is not None:
            meter.update(loss, self.loss.weight(targets), scores, targets)
        return loss

    # Training

    def on_train_start(self) -> None:
        """Begin where the trainer does: not at step 0 in a resumed run."""
        self.first_step = self.trainer.global_step
        if self._stood is not None:
            take_up(self, self._stood)
            self._stood = None

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch's values."""
        self.values = {}
        self.batches_done = 0

    def training_step(self, batch: Batch | Block, batch_idx: int) -> Tensor | None:
        """One mini-batch's loss, or a whole block of them executed."""
        if isinstance(batch, Block):
            assert self.stepping is not None
            execute(self, batch, self.stepping)
            return None
        self.batches_done = batch_idx + 1
        # An optimizer with a closure (LBFGS) comes here several times a batch; the first one counts.
        place = (self.current_epoch, batch_idx)
        first, self._last_seen = place != self._last_seen, place
        return self.train_loss(batch, measure=first)

    def train_loss(self, batch: Batch, *, measure: bool = True) -> Tensor:
        """The loss of a training mini-batch; counted in the epoch's metrics if `measure`."""
        if isinstance(batch, Part):
            return part_loss(self, batch, measure=measure)
        loss = self._step(batch, self.train_meter if measure else None)
        if measure:
            self.losses.append(loss.detach())
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Sample the step, where it is one to be logged: the gradients are whole and not yet clipped."""
        trainer = self.trainer
        step = trainer.global_step
        due = self.due(step, trainer.is_last_batch)
        if due and not (self.samples and self.samples[-1].step == step):
            self.sample(step, optimizer)

    def due(self, step: int, last: bool) -> bool:
        """Whether the step is to be logged: every `log_every` steps, and the epoch's and the run's last."""
        return last or step % self.log_every == 0 or step + 1 == self.trainer.max_steps

    def sample(self, step: int, optimizer: Optimizer) -> None:
        """Keep the loss, learning rate and gradient norm of the step about to be taken."""
        grads = [p.grad for p in self.net.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(grads)
        self.samples.append(Sample(step, float(optimizer.param_groups[0]["lr"]), self.losses[-1], norm))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """At the epoch's last batch: its metrics, or DivergedError, before anything is validated or saved."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True  # so that an epoch cut short is validated too
        elif not self.trainer.is_last_batch:
            return
        alone = self.trainer.world_size == 1
        losses, self.losses = torch.stack(self.losses) if alone else sum_losses(self.losses), []
        finite = losses.isfinite()
        if not finite.all():
            accumulate = self.stepping.accumulate if self.stepping else self.trainer.accumulate_grad_batches
            raise DivergedError(self.first_step + int(finite.long().argmin()) // accumulate)
        self.first_step = self.trainer.global_step
        self._measure("train", self.train_meter)

    def _measure(self, stage: str, meter: StageMetrics) -> None:
        """Take a stage's metrics, and show them to the callbacks that watch one."""
        if self.trainer.world_size > 1:
            meter.take_part(self.out_features, cast(torch.dtype, self.dtype), self.device)
        self.take(stage, meter.compute())

    def take(self, stage: str, found: dict[str, Tensor]) -> None:
        """Take a stage's metrics by name."""
        confusion = found.pop("confusion", None)
        named = {f"{stage}/{name}": value for name, value in found.items()}
        if not named[f"{stage}/loss"].isfinite():
            raise DivergedError(self.trainer.global_step)
        self.trainer.callback_metrics.update(named)
        # The shortest decimal that float32 can tell apart, not 0.9833333492279053.
        shown = {name: float(f"{value.item():.7g}") for name, value in named.items()}
        self.values.update({name: value for name, value in shown.items() if math.isfinite(value)})
        if confusion is not None:
            self.confusion = confusion.tolist()
            for name, row, hits in zip(self.classes, confusion, confusion.diagonal(), strict=True):
                if row.sum() > 0:
                    share = float(f"{(hits / row.sum()).item():.7g}")
                    self.values[f"{stage}/accuracy/{name}"] = share

    def on_train_epoch_end(self) -> None:
        """The step of a schedule that watches a metric: before the epoch's checkpoint is saved."""
        watched = self.schedule.monitor if self.schedule is not None else None
        if watched in self.values:
            value = self.trainer.callback_metrics[str(watched)]
            for config in self.trainer.lr_scheduler_configs:
                cast(ReduceLROnPlateau, config.scheduler).step(value)
        self._average(True)

    # Validation and test

    def validation_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure validation rows."""
        for part in batches(batch):
            self._step(part, self.val_meter)

    def on_validation_epoch_end(self) -> None:
        """Take the validation's metrics."""
        self._measure("val", self.val_meter)

    def test_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure test rows."""
        for part in batches(batch):
            self._step(part, self.test_meter)

    def on_test_epoch_end(self) -> None:
        """Take the test's metrics."""
        self._measure("test", self.test_meter)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what it takes to use the weights without the data, and to go on training to the bit."""
        checkpoint["abreast"] = {
            "in_shape": list(self.in_shape),
            "out_features": self.out_features,
            "classes": list(self.classes),
            "peak": self.peak,
        }
        if isinstance(self.trainer.train_dataloader, Resumable):
            stands = checkpoint["abreast"]["position"] = position(self)
            settle(checkpoint["loops"], stands, self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the position until the training begins."""
        self._stood = checkpoint["abreast"].get("position")

    # Optimizers that average (schedule-free) have weights to train with and weights to use.

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Take the weights to train with."""
        self._average(False)

    def on_validation_start(self) -> None:
        """Take the weights to use."""
        self._average(True)

    def _average(self, use: bool) -> None:
        for optimizer in self.trainer.optimizers:
            if hasattr(optimizer, "train") and hasattr(optimizer, "eval"):
                (optimizer.eval if use else optimizer.train)()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer over the network's parameters, with its schedule."""
        optimizer = self._make_optimizer([*self.net.parameters(), *self.loss.parameters()])
        if self.schedule is None:
            return optimizer
        config: dict[str, Any] = {"scheduler": self.schedule.make(optimizer)}
        if self.automatic_optimization:
            config.update(interval=self.schedule.interval, monitor=self.schedule.monitor)
            if self.schedule.monitor is not None:
                config["frequency"] = self.trainer.check_val_every_n_epoch or 1
        return cast(OptimizerLRScheduler, {"optimizer": optimizer, "lr_scheduler": config})

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Lightning's step of a schedule; one that watches a metric has had its own by then."""
        if metric is None:
            scheduler.step()

    def move_schedule(self, interval: str) -> None:
        """In a manual optimization: the step of a schedule by `step` or by `epoch` that watches no metric."""
        schedule = self.schedule
        if schedule is None or schedule.interval != interval or schedule.monitor is not None:
            return
        for config in self.trainer.lr_scheduler_configs:
            config.scheduler.step()  # type: ignore[call-arg]
