"""The LightningModule that trains a stack: many networks in one Trainer, each under the rules of its run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from abreast.data.loader import Batch, Block, EvalLoader
from abreast.learner.epoch_progress import EpochProgress
from abreast.learner.lightning_loops import LoopsState, loops_state, step_progress
from abreast.runs.files import LAST
from abreast.stacking.chunk import Chunk
from abreast.stacking.compaction import build_chunks, compact, compacting_pays_off
from abreast.stacking.finish import end_epoch, write_checkpoints
from abreast.stacking.lane import Lane
from abreast.stacking.lanes_module import LanesModule
from abreast.stacking.layout import Layout, for_each
from abreast.stacking.loader import StackBlock, StackLoader
from abreast.stacking.optimizers.lane_state import OptimizerSnapshot
from abreast.stacking.progress import Progress
from abreast.stacking.refill import Refill
from abreast.stacking.resume import is_trained, load_checkpoints


class Stack(LanesModule):
    """The lanes of a stack, in chunks.

    Lightning runs the loops and validates. What belongs to a run (its epoch and step, metrics, checkpoints,
    early stopping, loggers) is done lane by lane through the lane's callbacks. The lanes' epochs begin
    together, but each lane counts its own.

    Args:
        lanes: The lanes, with those that an earlier process has trained to the end.
        chunks: The chunks of those that are trained.
        layout: How lanes are divided into chunks, when some have ended.
        save_every: Seconds between two writings of the lanes' checkpoints.
        workers: Threads that train the chunks of a block side by side; None for this thread alone.
        progress: Shows how far the stack is.
        refill: Lets waiting runs take the places of lanes that have ended; None where none wait.
        halve: Drops some of the lanes that begin or end an epoch, after so many epochs of the stack.

    Attributes:
        max_epochs: The epochs of each lane; -1 for no limit.
        epoch_progress: The stack's position within the epoch.
        stop_signal: The signal that asks the training to stop at the end of the block, or None.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        chunks: Sequence[Chunk],
        layout: Layout,
        *,
        save_every: float = 30.0,
        workers: Executor | None = None,
        progress: Progress | None = None,
        refill: Refill | None = None,
        halve: Callable[[Sequence[Lane], int], None] = lambda lanes, epochs: None,
    ) -> None:
        super().__init__(lanes, workers)
        self.automatic_optimization = False
        self.unused = nn.Parameter(torch.zeros(()))  # Lightning requires a parameter
        self.chunks = list(chunks)
        self.layout = layout
        self.save_every = save_every
        self.progress = progress
        self.refill = refill
        self.halve = halve
        self.max_epochs: int | None = None
        self.epoch_progress = EpochProgress()
        self.stop_signal: int | None = None
        self._loops: LoopsState | None = None
        self._saved = time.perf_counter()

    @property
    def running(self) -> list[Lane]:
        """The lanes that still train."""
        return [lane for lane in self.lanes if lane.running]

    def attach(self, trainer: Trainer) -> None:
        """Show the Trainer to the lanes, which end at its limit of epochs each by its own count."""
        self.max_epochs, trainer.fit_loop.max_epochs = trainer.max_epochs, -1
        for lane in self.lanes:
            lane.attach(trainer, self.max_epochs, self.loops)

    def loops(self) -> LoopsState:
        """The state of the Trainer's loops, as Lightning saves it; the same for all lanes at one moment."""
        if self._loops is None:
            self._loops = loops_state(self.trainer)
        return self._loops

    def train_dataloader(self) -> StackLoader:
        """Blocks of every lane's mini-batches."""
        return StackLoader(lambda: [lane for chunk in self.chunks for lane in chunk.lanes])

    def val_dataloader(self) -> EvalLoader | list[EvalLoader]:
        """One block of validation examples, for Lightning to count; every lane is measured on its own."""
        return self.lanes[0].data.val_dataloader()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimizer for Lightning to see; the lanes' own are stepped by their chunks."""
        return torch.optim.SGD([self.unused], lr=0.0)

    def on_train_start(self) -> None:
        """Begin every lane's run, or resume it; one that ends at once makes room before the first epoch."""
        resumed = [lane.learner.epoch_progress.batches_done for lane in self.running]
        self.epoch_progress.batches_done = max(resumed, default=0)  # shorter lanes may have fewer
        self._begin(self.lanes, self.trainer.current_epoch)
        if not self.epoch_progress.batches_done:
            self._refill(self.trainer.current_epoch)
        self.trainer.should_stop |= not self.running

    def _begin(self, lanes: Sequence[Lane], epochs: int) -> None:
        if self.progress is not None:
            self.progress.on_begin(lanes)
        for lane in lanes:
            if lane.running:
                lane.guarded(lane.begin)
                lane.learner.net.train()
        self.halve(lanes, epochs)

    def on_train_epoch_start(self) -> None:
        """Drop the last epoch's values."""
        self._set_batches_done(0)
        for chunk in self.chunks:
            chunk.net.train()
            for lane in chunk.lanes:
                vars(lane.learner)["values"] = {}  # ten times as fast as through nn.Module.__setattr__
        for lane in self.running:
            lane.learner.epoch_progress.first_step = lane.steps

    def _set_batches_done(self, batches_done: int) -> None:
        self.epoch_progress.batches_done = batches_done
        for lane in self.running:
            lane.learner.epoch_progress.batches_done = min(batches_done, lane.batches)

    def training_step(self, block: StackBlock, batch_idx: int) -> None:
        """Train all lanes on a block of mini-batches."""
        trainer = self.trainer
        ends_epoch = trainer.is_last_batch
        if trainer.max_steps != -1:
            block = block.first(trainer.max_steps - trainer.global_step)
        for lane in self.running:
            lane.learner.on_train_batch_start(block, batch_idx)
        for_each(lambda chunk: chunk.train(block, ends_epoch=ends_epoch), self.chunks, self.workers)
        self._set_batches_done(block.start + len(block))
        progress = step_progress(trainer)
        for _ in range(len(block)):
            progress.increment_ready()
            progress.increment_completed()
        if self.progress is not None:
            self.progress.on_block_end(self)

    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """At the epoch's last block: record the lanes' metrics."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True
        elif not self.trainer.is_last_batch:
            return
        for chunk in self.chunks:
            chunk.record_epoch()

    def on_validation_start(self) -> None:
        """Put the networks in evaluation mode, with the weights to use."""
        for chunk in self.chunks:
            for lane in chunk.lanes:
                if lane.learner.net.training:
                    lane.learner.net.eval()
                lane.learner.on_validation_start()

    def validation_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure the validation examples."""
        self.evaluate([evaluation for chunk in self.chunks for evaluation in chunk.validations])

    def on_validation_epoch_end(self) -> None:
        """Record the validation's metrics."""
        for chunk in self.chunks:
            for evaluation in chunk.validations:
                evaluation.record("running")

    def on_validation_end(self) -> None:
        """Call the lanes' callbacks."""
        self._loops = None
        for lane in self.running:
            lane.guarded(lane.call, "on_validation_end")

    def on_train_epoch_end(self) -> None:
        """End the epoch for every lane in the order of an individual run, and its training if it is time."""
        self._loops = None
        if self.progress is not None:
            self.progress.on_epoch_end(self)
        for lane in self.running:
            lane.guarded(end_epoch, lane)
        for lane in self.running:
            lane.epoch += 1
            lane.learner.epoch_progress.batches_done = 0
        epochs = self.trainer.current_epoch + 1
        self.halve(self.lanes, epochs)
        if not self._refill(epochs):
            self.compact()
        if time.perf_counter() - self._saved > self.save_every and (
            not self.refill or self.refill.may_save(epochs)
        ):
            self.flush()
        self.trainer.should_stop |= not self.running

    def _refill(self, epochs: int) -> bool:
        """Let waiting runs take the places of lanes that have ended; whether any did."""
        if not self.refill or not self.refill.is_due(self.lanes, epochs, is_stopped=bool(self.stop_signal)):
            return False
        running, snapshots = self.running, dict[Lane, OptimizerSnapshot]()

        def join(lanes: Sequence[Lane]) -> None:
            snapshots.update(load_checkpoints(lanes))
            self.move_data(lanes)
            for lane in lanes:
                lane.attach(self.trainer, self.max_epochs, self.loops)
                if is_trained(lane):
                    lane.state = "stopped"
            self._begin(lanes, epochs)

        self.lanes = self.refill(self.lanes, epochs, join)
        if self.running == running:
            return False
        snapshots |= {lane: lane.optimizer_snapshot() for lane in running}
        self.chunks = build_chunks(self.running, self.layout, snapshots)
        return True

    def compact(self) -> None:
        """Let the lanes that have ended leave the stack, if that pays off."""
        if compacting_pays_off(self.chunks):
            self.chunks = compact(self.chunks, self.layout)

    def save_midway(self) -> None:
        """Write every running lane's `last.ckpt`, within an epoch."""
        self._loops = None
        for lane in self.running:
            lane.guarded(lane.trainer.save_checkpoint, lane.directory.checkpoints / LAST)
        self.flush()

    def flush(self) -> None:
        """Write the checkpoints that the lanes keep in memory."""
        write_checkpoints(self.lanes)
        self._saved = time.perf_counter()
