"""Writing a file completely or not at all. No torch."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from abreast.errors import ObstructedError
from abreast.runs.files import CHECKPOINTS, PART

OBSTRUCTED = (errno.EISDIR, errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY, errno.ELOOP)


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Replace a file's content, or leave the file as it was, even if the process or the machine stops.

    Raises:
        OSError: With the file's name, if it cannot be written.
        ObstructedError: If a directory, a socket or the like is in its place, or in that of its folder.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with naming_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.unlink(missing_ok=True)  # of a killed process, or a link that somebody put there
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain data, whose numbers are finite, as indented JSON; raises as `write_atomically`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError raised inside: that of a full disk has none."""
    try:
        yield
    except OSError as error:
        if error.errno in OBSTRUCTED:
            obstructed = ObstructedError(
                f"{path}: cannot be written ({error.strerror}). Move away what is in its place"
            )
            obstructed.strerror = error.strerror  # for those who have a better fix to tell
            raise obstructed from error
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def remove_partial_files(path: Path) -> None:
    """Remove the files of a run's directory that a process was writing when it was killed."""
    for part in [*path.glob(PART), *path.glob(f"{CHECKPOINTS}/{PART}")]:
        with suppress(IsADirectoryError):  # none of ours
            part.unlink()
