"""One process at a time in a directory. The directory itself is locked, so no lock file is left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abreast.errors import RunError

try:
    import fcntl
except ImportError:  # Windows has none: nothing is locked there
    fcntl = None  # type: ignore[assignment]

POLL_SECONDS = 0.05


def lock(path: Path) -> int | None:
    """Lock the directory until the returned descriptor is closed or the process ends.

    Returns:
        The descriptor, or None if another process holds the lock.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Keep other processes out of the directory, which is created if it is missing.

    Args:
        path: the directory.
        seconds: how long to wait for another process.

    Raises:
        RunError: if another process still holds the lock.
    """
    path.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    while (descriptor := lock(path)) is None:
        if time.monotonic() >= deadline:
            raise RunError(
                f"{path}: another process is using it. Wait until that one ends, or choose another directory"
            )
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)
