"""What a sweep that is run again finds in a run's directory, and what it does about it. No torch."""

from __future__ import annotations

import logging
import shutil
from enum import Enum
from pathlib import Path

from abreast.config.run_id import run_id
from abreast.config.types import Json
from abreast.errors import ConfigError, RunError
from abreast.metrics.objective import objective
from abreast.runs.directory import RunDirectory

log = logging.getLogger(__name__)

FILES = (
    "status.json",
    "metrics.csv",
    "result.json",
    "worst.json",
    "checkpoints",
    "events.out.tfevents.*",
)


class RunState(Enum):
    """How far a run has come: nothing is there, it can be gone on with, or there is nothing left to do."""

    NEW = "new"
    BEGUN = "begun"
    DIVERGED = "diverged"
    FINISHED = "finished"


def standing(directory: RunDirectory, cfg: Json) -> RunState:
    """How far the run of this configuration has come in the directory; clears away what is of no use.

    A run that failed, other than by diverging, is tried again from the start. Raises ConfigError where the
    directory holds a run of another configuration.
    """
    if not (directory.path / "status.json").exists():
        clear(directory.path)
        return RunState.NEW
    try:
        kept = run_id(directory.read_config())
    except (RunError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s: %s; the run begins anew", directory.path / "config.yaml", error)
        clear(directory.path)
        return RunState.NEW
    if kept != run_id(cfg):
        raise ConfigError(
            f"{directory.path} holds a run of another configuration: choose another directory "
            "(hydra.sweep.dir=...) or remove that one"
        )
    status = status_of(directory)
    if status.get("status") == "failed":
        if "diverged_at" in status:
            return RunState.DIVERGED
        clear(directory.path)
        return RunState.NEW
    if status.get("status") == "finished" and _is_whole(directory, cfg):
        return RunState.FINISHED
    if not (directory.checkpoints / "last.ckpt").exists():
        clear(directory.path)
        return RunState.NEW
    return RunState.BEGUN


def status_of(directory: RunDirectory) -> Json:
    """The run's status; nothing, with a warning, where it cannot be read: the checkpoints say enough."""
    try:
        return directory.read_status()
    except RunError as error:
        log.warning("%s; going by what else is there", error)
        return {}


def was_dropped(directory: RunDirectory) -> bool:
    """Whether successive halving has ended the run before its time; without it, there is more to train."""
    try:
        status = directory.read_status().get("status")
        return status == "dropped" and _is_whole(directory, directory.read_config())
    except RunError:
        return False


def _is_whole(directory: RunDirectory, cfg: Json) -> bool:
    try:
        objective(cfg, directory.read_result()["metrics"])
    except (RunError, KeyError, TypeError) as error:
        log.warning("%s: %s; it is made again", directory.path / "result.json", error)
        return False
    return True


def tidy(path: Path) -> None:
    """Remove the files that a process was writing when it was killed."""
    for part in [*path.glob(".*.part"), *path.glob("checkpoints/.*.part")]:
        part.unlink()


def clear(path: Path) -> None:
    """Remove what a run has left in its directory, for it to begin anew."""
    tidy(path)
    for pattern in FILES:
        for found in path.glob(pattern):
            if found.is_dir():
                shutil.rmtree(found)
            else:
                found.unlink()
