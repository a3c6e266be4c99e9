"""What a repeated sweep finds in a run's directory, and what it does about it. No torch."""

from __future__ import annotations

import logging
from enum import Enum

from abreast.config.run_id import run_id, run_ids
from abreast.config.types import Config, Json
from abreast.errors import ConfigError, RunError
from abreast.metrics.objective import objective
from abreast.runs.config_file import TRAINED_GROUPS, check_shape
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, LAST, METRICS, RESULT, STATUS, WANDB
from abreast.runs.format import NewerFormatError
from abreast.runs.replaced import clear, has_checkpoints

log = logging.getLogger(__name__)


class RunState(Enum):
    """How far a run has come."""

    NEW = "new"  # nothing to resume from
    BEGUN = "begun"  # it can be resumed
    DIVERGED = "diverged"  # nothing left to do
    FINISHED = "finished"  # nothing left to do


def run_state(directory: RunDirectory, config: Config) -> RunState:
    """How far the run of this configuration has come in the directory; clears it of what cannot be used.

    A run that failed, other than by diverging, restarts from scratch.

    Raises:
        ConfigError: If the directory holds a run of another configuration.
    """
    if not (directory.path / STATUS).exists():
        clear(directory.path)
        return RunState.NEW
    try:
        stored = directory.read_config()
        check_shape(stored, directory.path / CONFIG, TRAINED_GROUPS)
        existing = run_id(stored)
    except NewerFormatError:
        raise
    except (RunError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s: %s; the run restarts from scratch", directory.path / CONFIG, error)
        clear(directory.path)
        return RunState.NEW
    if existing not in run_ids(config):
        if failed_before_training(directory):
            clear(directory.path)
            return RunState.NEW
        raise ConfigError(
            f"{directory.path} holds a run of another configuration: choose another directory "
            "(hydra.sweep.dir=...) or remove that one"
        )
    status = readable_status(directory)
    if status.get("status") == "failed":
        if "diverged_at" in status:
            return RunState.DIVERGED
        clear(directory.path)
        return RunState.NEW
    if status.get("status") == "finished" and _has_result(directory, config):
        return RunState.FINISHED
    if not (directory.checkpoints / LAST).exists():
        clear(directory.path)
        return RunState.NEW
    return RunState.BEGUN


def failed_before_training(directory: RunDirectory) -> bool:
    """Whether the directory is that of a run which stopped before it had trained an epoch or saved anything.

    A mistake in its data, say: the corrected command can have the directory.
    """
    try:
        status = directory.read_status()
    except RunError:
        return False
    trained = (METRICS, RESULT, f"{WANDB}*")
    is_failed = status.get("status") in ("failed", "interrupted") and "diverged_at" not in status
    has_trained = has_checkpoints(directory.path) or any(any(directory.path.glob(name)) for name in trained)
    return is_failed and not has_trained


def readable_status(directory: RunDirectory) -> Json:
    """The run's status; {}, with a warning, if it cannot be read: the checkpoints are enough to resume."""
    try:
        return directory.read_status()
    except NewerFormatError:
        raise
    except RunError as error:
        log.warning("%s; using the other files of the run", error)
        return {}


def was_dropped(directory: RunDirectory, after: int = 0) -> bool:
    """Whether successive halving stopped the run after more epochs than these.

    A sweep without halving trains it to the end, and a search may let it continue.
    """
    try:
        status = directory.read_status()
        epoch = status.get("dropped_at")
        if status.get("status") != "dropped" or (isinstance(epoch, int) and epoch <= after):
            return False
        return _has_result(directory, directory.read_config())
    except RunError:
        return False


def _has_result(directory: RunDirectory, config: Config) -> bool:
    try:
        objective(config, directory.read_result()["metrics"])
    except NewerFormatError:
        raise
    except (RunError, KeyError, TypeError) as error:
        log.warning("%s: %s; it is written again", directory.path / RESULT, error)
        return False
    return True
