"""Whether a process trains a run now, by the locks of its directory and of its sweep's. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from abreast.runs.files import SWEEP
from abreast.runtime.directory_lock import is_free, is_used


def sweep_in_use(run: Path) -> Path | None:
    """The directory of a sweep that is at work and that the run is part of; None without one."""
    return next((folder for folder in _sweeps(run) if is_used(folder)), None)


def is_abandoned(run: Path) -> bool:
    """Whether surely no process trains the run; never where directories cannot be locked."""
    return is_free(run) and all(map(is_free, _sweeps(run)))


def _sweeps(run: Path) -> Iterator[Path]:
    """The directories above the run that hold a sweep."""
    return (folder for folder in run.resolve().parents if (folder / SWEEP).is_file())
