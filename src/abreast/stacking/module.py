"""The LightningModule that trains a stack: many networks in one Trainer, each under its own run's rules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from abreast.data.datamodule import DataModule
from abreast.data.loader import Batch, Block, EvalLoader, batches
from abreast.errors import DivergedError
from abreast.learner.epoch_progress import EpochProgress
from abreast.learner.lightning_loops import loops_state, step_progress
from abreast.runs.files import LAST
from abreast.stacking.chunk import Chunk
from abreast.stacking.compaction import compact, pays
from abreast.stacking.lane import Lane
from abreast.stacking.layout import Layout, each, side_by_side
from abreast.stacking.loader import StackBlock, StackLoader
from abreast.stacking.progress import Table
from abreast.stacking.resume import restore_callbacks


class Stack(LightningModule):
    """The lanes of a stack, in chunks.

    Lightning runs the loops, counts the steps and validates. What belongs to a run (metrics, checkpoints,
    early stopping, loggers) is done lane by lane through the lane's own callbacks. `save_every` seconds lie
    between two writings of the lanes' checkpoints, which are kept in memory meanwhile. With `workers`, the
    chunks of a block are trained side by side, a thread each.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        data: DataModule,
        plan: Layout,
        *,
        save_every: float = 30.0,
        workers: Executor | None = None,
        table: Table | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.unused = nn.Parameter(torch.zeros(()))  # Lightning wants something to optimize
        self.chunks = list(chunks)
        self.lanes: list[Lane] = [lane for chunk in chunks for lane in chunk.lanes]
        self.data = data
        self.plan = plan
        self._loader: StackLoader
        self.save_every = save_every
        self.workers = workers
        self.table = table
        self._loops: dict[str, Any] | None = None
        self._saved = time.perf_counter()
        self._first_step = 0
        self.epoch_progress = EpochProgress()
        self.stop_signal: int | None = None  # the signal to stop at the block's end

    @property
    def running(self) -> list[Lane]:
        """The lanes that still train."""
        return [lane for lane in self.lanes if lane.running]

    def attach(self, trainer: Trainer) -> None:
        """Show the Trainer to the lanes."""
        for lane in self.lanes:
            lane.attach(trainer, self.loops)
            lane.trainer.datamodule = self.data

    def loops(self) -> dict[str, Any]:
        """The state of the Trainer's loops, as Lightning saves it; the same for all lanes at one moment."""
        if self._loops is None:
            self._loops = loops_state(self.trainer)
        return self._loops

    # Data

    def setup(self, stage: str) -> None:
        """Move the rows to the Trainer's device."""
        self.data.trainer = self.trainer
        self.data.setup(stage)

    def train_dataloader(self) -> StackLoader:
        """Blocks of every lane's mini-batches."""
        self._loader = StackLoader(
            self.data.train,
            batch_size=self.data.batch_size,
            seeds=[lane.cfg["seed"] for lane in self.lanes],
            shuffle=self.data.shuffle,
            steps=self.data.steps,
            batches=self.data.batches_per_epoch,
        )
        return self._loader

    def val_dataloader(self) -> EvalLoader | list[EvalLoader]:
        """The validation rows, the same for all."""
        return self.data.val_dataloader()

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The rows are there already."""
        return batch

    # Training

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimizer for Lightning to see; the lanes' own are stepped by their chunks."""
        return torch.optim.SGD([self.unused], lr=0.0)

    def on_train_start(self) -> None:
        """Begin every lane's run."""
        for lane in self.lanes:
            lane.guarded(lane.begin, restore_callbacks)
            lane.learner.net.train()
        first = self.lanes[0].learner  # all go on at one place
        progress = first.epoch_progress
        self.epoch_progress.batches_done = progress.batches_done
        self._begin_epoch(progress.first_step if progress.batches_done else self.trainer.global_step)

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch's values."""
        for chunk in self.chunks:
            chunk.net.train()
            for lane in chunk.lanes:
                _set(lane, values={})
        self._stand_at(0)
        self._begin_epoch(self.trainer.global_step)

    def _begin_epoch(self, first_step: int) -> None:
        self._first_step = first_step
        for lane in self.running:
            lane.learner.epoch_progress.first_step = first_step

    def _stand_at(self, batches_done: int) -> None:
        self.epoch_progress.batches_done = batches_done
        for lane in self.running:
            lane.learner.epoch_progress.batches_done = batches_done

    def training_step(self, block: StackBlock, batch_idx: int) -> None:
        """Train all lanes on a block of mini-batches."""
        trainer = self.trainer
        step = trainer.global_step
        ends_epoch = trainer.is_last_batch
        if trainer.max_steps != -1:
            block = block.first(trainer.max_steps - step)
        for lane in self.running:
            lane.learner.on_train_batch_start(block, batch_idx)

        def train(chunk: Chunk) -> None:
            chunk.train(block, step, ends_epoch=ends_epoch)

        each(train, self.chunks, self.workers)
        self._stand_at(block.start + len(block))
        progress = step_progress(trainer)
        for _ in range(len(block)):
            progress.increment_ready()
            progress.increment_completed()
        if self.table is not None:
            self.table.stepped(self)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """At the epoch's last block: the lanes' metrics; a lane whose loss is not finite has failed."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True
        elif not self.trainer.is_last_batch:
            return
        for chunk in self.chunks:
            losses, chunk.losses = torch.cat(chunk.losses), []
            finite = losses.isfinite()
            whole = finite.all(0).tolist()
            firsts = finite.long().argmin(0).tolist()
            found = chunk.train_meter.compute()
            for lane, is_whole, first, values in zip(chunk.lanes, whole, firsts, found, strict=True):
                if lane.running and is_whole:
                    lane.measure("train", values)
                    lane.learner.epoch_progress.first_step = self.trainer.global_step
                elif lane.running:
                    lane.fail(DivergedError(self._first_step + first))
        self._end_if_idle()

    # Validation

    def on_validation_start(self) -> None:
        """Take the weights to use."""
        for chunk in self.chunks:
            for lane in chunk.lanes:
                if lane.learner.net.training:
                    lane.learner.net.eval()
                lane.learner.on_validation_start()

    def validation_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure a batch of the validation rows."""

        def measure(chunk: Chunk) -> None:
            for part in batches(batch):
                chunk.validation.update(*part)

        each(measure, self.chunks, self.workers)

    def on_validation_epoch_end(self) -> None:
        """Take the validation's metrics."""
        for chunk in self.chunks:
            chunk.validation.take("running")

    def on_validation_end(self) -> None:
        """Let the lanes' callbacks see the validation."""
        self._loops = None
        for lane in self.running:
            lane.guarded(lane.call, "on_validation_end")

    def on_train_epoch_end(self) -> None:
        """End the epoch for every lane in a plain run's order, and its training where it is time."""
        self._loops = None
        for lane in self.running:
            lane.guarded(self._end_epoch, lane)
        if time.perf_counter() - self._saved > self.save_every:
            self.flush()
        if self.table is not None:
            self.table.epoch(self)
        self._end_if_idle()
        self.compact()

    def compact(self) -> None:
        """Let the lanes that have ended leave the stack, where that pays."""
        lanes = [lane for chunk in self.chunks for lane in chunk.lanes]
        running = [lane for lane in lanes if lane.running]
        steps = lanes[0].learner.total_steps - self.trainer.global_step
        if pays(len(lanes) - len(running), len(running), steps):
            self.chunks = compact(self.chunks, self.plan)
            self._loader.seeds = [lane.cfg["seed"] for lane in running]

    def _end_epoch(self, lane: Lane) -> None:
        lane.call("on_train_epoch_end", monitoring=False)
        lane.learner.on_train_epoch_end()
        lane.call("on_train_epoch_end", monitoring=True)
        if lane.trainer.should_stop:
            lane.stop()

    def _end_if_idle(self) -> None:
        if not self.running:
            self.trainer.should_stop = True

    def on_train_end(self) -> None:
        """End the training of the lanes that went all the way."""
        for lane in self.running:
            lane.guarded(lane.stop)
        self.flush()

    def end(self) -> None:
        """Every lane has been trained before."""
        for lane in self.lanes:
            lane.trainer.freeze()
            lane.state = "stopped"

    def save_midway(self) -> None:
        """Write every running lane's `last.ckpt`, within an epoch."""
        self._loops = None
        for lane in self.running:
            lane.guarded(lane.trainer.save_checkpoint, lane.directory.checkpoints / LAST)
        self.flush()

    def flush(self) -> None:
        """Write the checkpoints that the lanes keep in memory."""
        side_by_side(lambda lane: lane.guarded(lane.flush), [lane for lane in self.lanes if lane.deferred])
        self._saved = time.perf_counter()


def _set(lane: Lane, **values: Any) -> None:
    """Set the learner's attributes past `nn.Module`'s own way, which takes ten times as long."""
    vars(lane.learner).update(values)
