"""Deletes runs and sweeps, unless something needs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abreast.errors import RunError
from abreast.report.collect import collect, run_directories
from abreast.report.formatting import format_count
from abreast.report.listing import CONTAINERS, Kind, kind_of
from abreast.report.run import MARKERS
from abreast.runs.files import CHECKPOINTS
from abreast.runtime.directory_lock import InUseError, is_used


@dataclass(frozen=True)
class Removal:
    """A directory to delete.

    Attributes:
        path: The directory.
        kind: What it holds.
        runs: How many runs.
        files: How many files.
        size: Their bytes.
        part_of: The sweep, study or decision that it is part of; None for one that stands alone.
        part_of_kind: What that is.
    """

    path: Path
    kind: Kind
    runs: int
    files: int
    size: int
    part_of: Path | None
    part_of_kind: Kind | None

    @property
    def text(self) -> str:
        """What would be deleted, in one line."""
        runs = "" if self.kind == "run" else f" of {format_count(self.runs, 'run')}"
        return (
            f"{self.path}: a {self.kind}{runs}, {format_count(self.files, 'file')}, {self.size / 1e6:.1f} MB"
        )

    @property
    def consequence(self) -> str:
        """What its deletion means for what it is part of; "" for nothing."""
        if self.part_of is None:
            return ""
        if self.part_of_kind == "sweep":
            return f"It is part of the sweep {self.part_of}, which trains it again when it is run again."
        return f"It is part of the {self.part_of_kind} {self.part_of}, whose result rests on it."


def plan_removal(directories: Sequence[Path]) -> list[Removal]:
    """Look at what is to be deleted.

    Args:
        directories: Directories of runs, sweeps, studies or decisions.

    Raises:
        RunError: If one is something else, a link, or is being trained.
    """
    plans = []
    for path in directories:
        if path.is_symlink():
            raise RunError(f"{path}: a link, which is not followed. Give the directory itself")
        if not path.is_dir():
            raise RunError(f"{path}: no such directory")
        kind = kind_of(path)
        if kind is None:
            raise RunError(
                f"{path}: holds no run itself, and is not deleted; abreast ls {path} lists what it has"
            )
        parent = next((folder for folder in path.resolve().parents if kind_of(folder)), None)
        for folder in filter(None, (path, parent)):
            if is_used(folder):
                raise InUseError(
                    path, "it is being trained" if folder == path else f"{folder} is being trained"
                )
        is_told = kind != "run" or (path / CHECKPOINTS).exists()
        runs = collect([path]).runs if is_told and any(run_directories(path)) else []
        if any(is_used(run.path) for run in runs):
            raise InUseError(path, "a run in it is being trained")
        sizes = [os.lstat(Path(folder, name)).st_size for folder, _, names in os.walk(path) for name in names]
        plans.append(
            Removal(
                path, kind, len(runs), len(sizes), sum(sizes), parent, kind_of(parent) if parent else None
            )
        )
    return plans


def remove(plan: Removal) -> None:
    """Delete a directory with all that is in it; links in it are deleted, not followed.

    The files that tell what it is go last: a deletion that was killed is finished by the same command.

    Raises:
        OSError: If something cannot be deleted.
    """
    last = {*MARKERS, *(name for name, _ in CONTAINERS)}
    for entry in [*plan.path.iterdir()]:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name not in last:
            entry.unlink()
    shutil.rmtree(plan.path)
