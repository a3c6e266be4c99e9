"""Saves where the training stands: when it is told to stop, and now and then within a long epoch."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lightning.pytorch import Callback, Trainer

from abreast.data.loader import ResumableLoader
from abreast.errors import Interrupted
from abreast.learner.lightning_loops import waits_for_step

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from abreast.learner.module import Learner

SIGNALS = (signal.SIGTERM, signal.SIGINT)
WITHIN = 60.0  # seconds of an epoch between two savings


class PreemptionCheckpoint(Callback):
    """On SIGTERM or Ctrl-C: saves `last.ckpt` at the next step boundary and raises Interrupted.

    The handler only sets a flag: saving inside it would meet tensors that are half written, and other ranks
    that know of nothing. A second Ctrl-C ends at once. `within` seconds of one epoch lie between two savings.
    """

    def __init__(self, file: Path | None, within: float = WITHIN) -> None:
        self.file = file
        self.within = within
        self._before: dict[int, Any] = {}
        self._saved = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen. Not before: Lightning's own handler, which talks to other ranks, was set just now."""
        learner: Learner = pl_module  # type: ignore[assignment]
        self._saved = time.monotonic()
        if threading.current_thread() is not threading.main_thread():
            return

        def on_signal(signum: int, frame: Any) -> None:
            if learner.stop_signal == signal.SIGINT == signum:
                raise KeyboardInterrupt
            learner.stop_signal = signum

        self._before = {signum: signal.signal(signum, on_signal) for signum in SIGNALS}

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs: what the last one left is saved already."""
        self._saved = time.monotonic()
        self._stop(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, or save, within an epoch; its end saves anyway."""
        learner: Learner = pl_module  # type: ignore[assignment]
        if learner.automatic_optimization and waits_for_step(trainer):
            return  # gradients that wait for their step are in no checkpoint
        if not self._agreed(
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
        """Listen no more; stop before the test where it was too late for anything else."""
        self._deaf()
        self._stop(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Listen no more."""
        self._deaf()

    def _deaf(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before = {}

    def _stop(self, trainer: Trainer, pl_module: LightningModule) -> None:
        learner: Learner = pl_module  # type: ignore[assignment]
        if self._agreed(trainer, learner.stop_signal is not None):
            raise Interrupted(learner.stop_signal or signal.SIGTERM)

    @staticmethod
    def _agreed(trainer: Trainer, wish: bool) -> bool:
        """Whether any rank wishes it: a signal may reach one of them, or each at another step."""
        return trainer.strategy.reduce_boolean_decision(wish, all=False) if trainer.world_size > 1 else wish
