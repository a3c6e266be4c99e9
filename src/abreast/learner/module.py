"""The LightningModule: any network under any loss and any optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from abreast.config.types import State
from abreast.data.loader import Batch, Block, ResumableLoader
from abreast.data.rank_shard import RankShard
from abreast.errors import DivergedError
from abreast.learner.block_step import StepConfig, train_block
from abreast.learner.data_parallel import shard_loss, sum_losses, with_value_of_all
from abreast.learner.data_spec import DataSpec
from abreast.learner.epoch_progress import EpochProgress
from abreast.learner.evaluator import Evaluator
from abreast.learner.random_state import random_state, set_random_state
from abreast.learner.recorded_step import gradient_norm
from abreast.learner.resume_state import Position, RankState, add_position, state_of_rank, to_device
from abreast.learner.schedule import Schedule
from abreast.losses import Loss
from abreast.metrics.request import MetricRequest
from abreast.metrics.stage import Sample
from abreast.optim.capturable import prepare_recording
from abreast.optim.late_gradients import prepare_late_gradients
from abreast.optim.step_needs import backward, needs_closure, needs_graph
from abreast.runs.format import with_format
from abreast.runtime.cuda_graph import StepGraphs


class Learner(Evaluator):
    """A network with its loss, optimizer and schedule, in training.

    With `step_config` None this is ordinary Lightning: a `training_step` is a mini-batch. With a `StepConfig`
    it is a block of mini-batches (see `abreast.learner.block_step`), with bitwise identical weights.

    Args:
        net: Takes normalised inputs `[B, *net_shape]`, gives raw scores `[B, out_features]`.
        loss: Takes raw scores and targets, gives their mean loss.
        data: Shape and meaning of the data.
        optimizer: Builds the optimizer of a list of parameters.
        schedule: The learning-rate schedule, or None.
        metrics: What is measured beside the usual metrics, by name.
        step_config: How a block's gradients become steps; None for ordinary Lightning.
        graphs: The CUDA graphs of the steps; None to launch every kernel.
        total_steps: Optimizer steps of the whole training.
        log_every: Optimizer steps from one sample for the loggers to the next.
        saves_attributes: Whether attributes of the network that change are part of its state.

    Attributes:
        epoch_progress: What the epoch has come to so far.
        stop_signal: The signal that asks the training to stop at the next step, or None.
        random_state: Gives the state of the random generators, for checkpoints.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        data: DataSpec,
        optimizer: Callable[[Any], Optimizer],
        schedule: Schedule | None = None,
        *,
        metrics: Mapping[str, MetricRequest] | None = None,
        step_config: StepConfig | None = None,
        graphs: StepGraphs | None = None,
        total_steps: int = 0,
        log_every: int = 50,
        saves_attributes: bool = False,
    ) -> None:
        super().__init__(net, loss, data, metrics, saves_attributes=saves_attributes)
        self.automatic_optimization = step_config is None
        self.step_config = step_config
        self.graphs = graphs or StepGraphs()
        self.total_steps = total_steps
        self.log_every = log_every
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.epoch_progress = EpochProgress()
        self.stop_signal: int | None = None
        self.random_state = random_state
        self._resume_from: Position | None = None
        self._last_seen = (-1, -1)

    # Training

    def on_train_start(self) -> None:
        """Start where the trainer does: in a resumed run within an epoch, and not at step 0."""
        progress, trainer = self.epoch_progress, self.trainer
        progress.first_step = trainer.global_step
        if trainer.world_size == 1:
            prepare_recording(trainer.optimizers, self.graphs.is_on(self.device))
        if self._resume_from is None:
            return
        position, self._resume_from = self._resume_from, None
        trainer.should_stop, progress.batches_done = position["should_stop"], position["batches"]
        state = state_of_rank(position, trainer.global_rank)
        if "epoch" in state:
            epoch = to_device(state["epoch"], self.device)
            progress.load_state(epoch)
            self.train_metrics.load_state(epoch["meter"])
        set_random_state(state["random"])
        if self.attribute_state and "attributes" in state:
            self.attribute_state.restore(self.net, state["attributes"])

    def on_train_epoch_start(self) -> None:
        """Drop the last epoch's values."""
        self.values = {}
        self.epoch_progress.batches_done = 0

    def training_step(self, batch: Batch | Block, batch_idx: int) -> Tensor | None:
        """Give one mini-batch's loss, or train on a whole block of them."""
        if isinstance(batch, Block):
            assert self.step_config is not None
            done = train_block(self, batch, self.step_config)
            self.epoch_progress.batches_done = batch.start + done
            return None
        self.epoch_progress.batches_done = batch_idx + 1
        # An optimizer with a closure (LBFGS) evaluates a batch several times; the first one counts.
        key = (self.current_epoch, batch_idx)
        is_first, self._last_seen = key != self._last_seen, key
        return self.train_loss(batch, measure=is_first)

    def train_loss(self, batch: Batch, *, measure: bool = True) -> Tensor:
        """The loss of a training mini-batch, a 0-d tensor; counted in the epoch's metrics if `measure`."""
        metrics = self.train_metrics if measure else None
        if not isinstance(batch, RankShard):
            loss = self.batch_loss(batch, metrics)
            if measure:
                self.epoch_progress.losses.append(loss.detach())
            return loss
        world = self.trainer.world_size
        loss = shard_loss(self, batch, metrics, world)
        if measure:
            self.epoch_progress.losses.append(loss.detach() / world)  # summed over the ranks later
        return with_value_of_all(loss, world) if needs_closure(self.trainer.optimizers[0]) else loss

    def count(self, loss: Tensor, scores: Tensor, targets: Tensor) -> None:
        """Count a mini-batch that was trained on in the epoch's metrics."""
        self.train_metrics.update(loss, self.loss.weight(targets), scores, self.loss.labels(targets))
        self.epoch_progress.losses.append(loss)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The gradients of a loss, with their graph if the optimizer needs it."""
        backward(loss, *args, with_graph=needs_graph(self.trainer.optimizers[0]), **kwargs)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """In ordinary Lightning: sample the step, with whole gradients that are not yet clipped."""
        prepare_late_gradients(optimizer)
        step, sampled = self.trainer.global_step, [sample.step for sample in self.epoch_progress.samples[-1:]]
        if self.should_sample(step, self.trainer.is_last_batch) and sampled != [step]:
            self.sample(step, optimizer)

    def should_sample(self, step: int, is_last: bool) -> bool:
        """Whether the step is sampled: one in `log_every`, the epoch's last (`is_last`), the run's last."""
        return is_last or step % self.log_every == 0 or step + 1 == self.trainer.max_steps

    def sample(self, step: int, optimizer: Optimizer, grad_norm: Tensor | None = None) -> None:
        """Keep the loss, learning rate and gradient norm (by default the present one) of a step."""
        norm = gradient_norm(self.net) if grad_norm is None else grad_norm
        rate, progress = float(optimizer.param_groups[0]["lr"]), self.epoch_progress
        progress.samples.append(Sample(step, rate, progress.losses[-1], norm))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """At the epoch's last batch: its metrics, or DivergedError, before anything is validated or saved."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True  # so that an epoch cut short is validated too
        elif not self.trainer.is_last_batch:
            return
        progress = self.epoch_progress
        is_single = self.trainer.world_size == 1
        losses = torch.stack(progress.losses) if is_single else sum_losses(progress.losses)
        progress.losses = []
        finite = losses.isfinite()
        if not finite.all():
            config = self.step_config
            accumulate = config.accumulate if config else self.trainer.accumulate_grad_batches
            raise DivergedError(progress.first_step + int(finite.long().argmin()) // accumulate)
        progress.first_step = self.trainer.global_step
        self._end_stage("train", self.train_metrics)

    def on_train_epoch_end(self) -> None:
        """Step a schedule that watches a metric: before the epoch's checkpoint is saved."""
        monitor = self.schedule.monitor if self.schedule is not None else None
        if monitor in self.values:
            value = self.trainer.callback_metrics[str(monitor)]
            for config in self.trainer.lr_scheduler_configs:
                cast(ReduceLROnPlateau, config.scheduler).step(value)
        self._use_averaged_weights(True)

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: State) -> None:
        """Add what it takes to use the weights without the data, and to resume bitwise identically."""
        checkpoint["abreast"] = with_format(self.description())
        if isinstance(self.trainer.train_dataloader, ResumableLoader):
            state: RankState = {"random": self.random_state()}
            if self.attribute_state and self.trainer.world_size > 1:
                state["attributes"] = self.attribute_state.changed(self.net)
            add_position(checkpoint, self.trainer, self.epoch_progress, self.train_metrics, state)

    def on_load_checkpoint(self, checkpoint: State) -> None:
        """Keep the position until the training starts."""
        self._resume_from = checkpoint["abreast"].get("position")

    # Optimizers that average (schedule-free) have weights to train with and weights to use.

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Switch to the weights to train with."""
        self._use_averaged_weights(False)

    def on_validation_start(self) -> None:
        """Switch to the weights to use."""
        self._use_averaged_weights(True)

    def _use_averaged_weights(self, averaged: bool) -> None:
        for optimizer in self.trainer.optimizers:
            if hasattr(optimizer, "train") and hasattr(optimizer, "eval"):
                (optimizer.eval if averaged else optimizer.train)()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer of the network's and the loss's parameters, with its schedule."""
        optimizer = self.make_optimizer([*self.net.parameters(), *self.loss.parameters()])
        if self.schedule is None:
            return optimizer
        automatic = (
            self.automatic_optimization
        )  # a lane of a stack, whose steps are manual, has no Trainer yet
        every = (self.trainer.check_val_every_n_epoch or 1) if automatic else 1
        config = self.schedule.for_lightning(optimizer, automatic=automatic, every=every)
        return cast(OptimizerLRScheduler, config)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Lightning's step of a schedule; one that watches a metric has stepped by then."""
        if metric is None:
            scheduler.step()

    def step_schedule(self, interval: str) -> None:
        """In a manual optimization: step a schedule of that interval that watches no metric."""
        schedule = self.schedule
        if schedule is None or schedule.interval != interval or schedule.monitor is not None:
            return
        for config in self.trainer.lr_scheduler_configs:
            config.scheduler.step()  # type: ignore[call-arg]
