"""Saves the training when a signal stops it, and regularly within a long epoch."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from abreast.data.loader import ResumableLoader
from abreast.errors import Interrupted
from abreast.learner.lightning_loops import waits_for_step
from abreast.learner.module import Learner
from abreast.runtime.signals import SIGNALS

WITHIN = 60.0  # seconds of an epoch between two savings


def _stop_at_once(signum: int, frame: Any) -> None:
    raise Interrupted(signum)


class PreemptionCheckpoint(Callback):
    """On SIGTERM, SIGHUP or Ctrl-C saves `last.ckpt` at the next step boundary and raises Interrupted.

    The handler only sets a flag: saving inside it would meet half-written tensors, and other ranks that did
    not get the signal. A second Ctrl-C ends the process at once. After the training there is nothing to save:
    a signal ends the validation of the chosen weights, or their test, at once. A signal that is ignored when
    the run begins, as SIGHUP under `nohup`, stays ignored.

    Args:
        file: The checkpoint to write; None where a subclass saves.
        within: Seconds between two checkpoints within one epoch.
    """

    def __init__(self, file: Path | None, within: float = WITHIN) -> None:
        self.file = file
        self.within = within
        self._ignored = {signum for signum in SIGNALS if signal.getsignal(signum) == signal.SIG_IGN}
        self._previous_handlers: dict[int, Any] = {}
        self._saved = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the handlers. Not earlier: Lightning has just set its own, which talk to other ranks."""
        learner = cast(Learner, pl_module)
        self._saved = time.monotonic()

        def on_signal(signum: int, frame: Any) -> None:
            if learner.stop_signal == signal.SIGINT == signum:
                raise KeyboardInterrupt
            learner.stop_signal = signum

        self._previous_handlers = self._handle(on_signal)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Outside of the training: replace Lightning's handler, which would pass over the signal."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._handle(_stop_at_once)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handler likewise; at the end Lightning restores what was there before."""
        self._handle(_stop_at_once)

    def _handle(self, handler: Any) -> dict[int, Any]:
        """Let the handler have the signals that are not ignored; what had them before."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        return {
            signum: signal.signal(signum, signal.SIG_IGN if signum in self._ignored else handler)
            for signum in SIGNALS
        }

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs: the last one is saved already."""
        self._saved = time.monotonic()
        self._stop(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Within an epoch: save and stop, or just save. Its end is saved anyway."""
        learner = cast(Learner, pl_module)
        if learner.automatic_optimization and waits_for_step(trainer):
            return  # a checkpoint does not hold accumulated gradients
        if not self._on_any_rank(
            trainer, learner.stop_signal is not None or time.monotonic() - self._saved > self.within
        ):
            return
        if learner.epoch_progress.batches_done < cast(ResumableLoader, trainer.train_dataloader).batches:
            self.save(trainer, pl_module)
            self._saved = time.monotonic()
            self._stop(trainer, learner)

    def save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        assert self.file is not None
        trainer.save_checkpoint(self.file)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before the test if the signal came during the last epoch; else restore the handlers.

        After an exception, Lightning's own end restores what was there before the training. Its handlers must
        not come back before that: they talk to other ranks, which may have ended.
        """
        self._stop(trainer, pl_module)
        for signum, handler in self._previous_handlers.items():
            signal.signal(signum, handler)
        self._previous_handlers = {}

    def _stop(self, trainer: Trainer, pl_module: LightningModule) -> None:
        learner = cast(Learner, pl_module)
        if self._on_any_rank(trainer, learner.stop_signal is not None):
            raise Interrupted(learner.stop_signal or signal.SIGTERM)

    @staticmethod
    def _on_any_rank(trainer: Trainer, value: bool) -> bool:
        """Whether it is true on any rank: a signal may reach only one, or each at a different step."""
        return trainer.strategy.reduce_boolean_decision(value, all=False) if trainer.world_size > 1 else value
