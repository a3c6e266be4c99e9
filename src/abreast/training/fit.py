"""The training itself: from the run's last checkpoint, where there is one."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from abreast.data.datamodule import DataModule
from abreast.errors import AbreastError, Interrupted, RunError, class_and_line
from abreast.learner import checkpoint
from abreast.learner.checkpoint_io import AtomicCheckpointIO
from abreast.learner.module import Learner
from abreast.loggers.run_logger import RunLogger
from abreast.runs.atomic import remove_partial_files
from abreast.runs.directory import RunDirectory
from abreast.runs.files import EVENTS, LAST


@contextmanager
def ctrl_c_raised(trainer: Trainer) -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning's `fit` ends the process after Ctrl-C."""
    try:
        yield
    except Interrupted:  # raised at a step's end, with everything saved
        raise
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def fit(trainer: Trainer, learner: Learner, data: DataModule, directory: RunDirectory) -> None:
    """Train, from the directory's last checkpoint if it has one; what came after it is made again.

    Args:
        trainer: Lightning's Trainer for the run.
        learner: The network in training.
        data: Its data.
        directory: The run's directory.

    Raises:
        RunError: The checkpoint belongs to another run.
        Interrupted: A signal stopped the training, which is saved.
        DivergedError: The training loss did not stay finite.
    """
    last = directory.checkpoints / LAST
    is_resumed = last.exists()
    if trainer.is_global_zero:
        remove_partial_files(directory.path)
        _forget_values(trainer, directory, checkpoint.facts(last).logged_steps if is_resumed else None)
    try:
        with ctrl_c_raised(trainer):
            trainer.fit(learner, datamodule=data, ckpt_path=last if is_resumed else None, weights_only=True)
    except (Interrupted, OSError, MisconfigurationException):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        is_restoring = is_resumed and any("restore" in frame.name for frame in frames)
        is_told = isinstance(error, AbreastError) and not isinstance(error, RunError)
        if not is_restoring or is_told or str(last) in str(error):
            raise
        reason = str(error) if isinstance(error, RunError) else class_and_line(error)
        raise RunError(f"{last}: not a checkpoint of this run ({reason})") from error
    finally:
        checkpoints = trainer.strategy.checkpoint_io
        if isinstance(checkpoints, AtomicCheckpointIO):
            checkpoints.flush()


def _forget_values(trainer: Trainer, directory: RunDirectory, step: int | None) -> None:
    """Forget what was logged of step `step` and later ones; None removes the events of an earlier start."""
    if step is None:
        for path in directory.path.glob(EVENTS):
            path.unlink()
        return
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.forget_from(step)
