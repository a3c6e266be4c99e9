"""What a run that restarts from scratch does with what an earlier one has left. No torch."""

from __future__ import annotations

import logging
import shutil
from itertools import count
from pathlib import Path

from abreast.runs.atomic import remove_partial_files
from abreast.runs.files import CHECKPOINTS, CONFIG, OUTPUTS, REPLACED
from abreast.runtime.printable import printable

log = logging.getLogger(__name__)


def clear(path: Path) -> Path | None:
    """Take a run's outputs out of its directory, so that it restarts from scratch.

    Checkpoints are never deleted: where there are any, all outputs move into a folder of the directory, which
    is a run directory itself. Loggers name no such folder, reports pass over it.

    Returns:
        The folder; None where there was no checkpoint to keep.
    """
    remove_partial_files(path)
    outputs = [output for pattern in OUTPUTS for output in path.glob(pattern)]
    if not has_checkpoints(path):
        for output in outputs:
            if output.is_dir() and not output.is_symlink():
                shutil.rmtree(output)
            else:
                output.unlink()
        return None
    folder = _new_folder(path)
    for output in outputs:
        output.rename(folder / output.name)
    if (path / CONFIG).is_file():
        shutil.copyfile(path / CONFIG, folder / CONFIG, follow_symlinks=False)
    log.warning("%s: what was trained there before is kept in %s", *map(_shown, (path, folder)))
    return folder


def has_checkpoints(path: Path) -> bool:
    """Whether a run's directory holds checkpoints, under whatever name and in whatever folder."""
    return any(path.glob(f"{CHECKPOINTS}/**/*"))


def _new_folder(path: Path) -> Path:
    for number in count(1):
        folder = path / f"{REPLACED}{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count() ends never")


def _shown(path: Path) -> str:
    return printable(str(path))
