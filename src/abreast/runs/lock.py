"""One process at a time in a directory. The lock is on the directory itself: no file is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abreast.errors import RunError

try:
    import fcntl
except ImportError:  # Windows has none, and goes without
    fcntl = None  # type: ignore[assignment]


def hold(path: Path) -> int | None:
    """Lock the directory until the returned descriptor is closed, or the process ends; None: it is locked."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of the directory meanwhile. Raises RunError where one is in it."""
    path.mkdir(parents=True, exist_ok=True)
    descriptor = hold(path)
    if descriptor is None:
        raise RunError(f"{path}: another process is at work there; let it end, or choose another directory")
    try:
        yield
    finally:
        os.close(descriptor)
