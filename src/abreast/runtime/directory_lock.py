"""One process at a time in a run's or a sweep's directory.

The directory itself is locked, so no lock file is left behind, and a killed process leaves no lock. A sweep
holds one lock, that of its directory, whatever the number of its runs: who resumes one of them looks at it.
"""

from __future__ import annotations

import errno
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

HAS_LOCKS = fcntl is not None
POLL_SECONDS = 0.05
GLANCE = 0.1  # seconds: longer than another process looks whether a directory is used, as a report does
PATIENCE = 1.0  # seconds for one that is about to use it
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)  # other errors: a file system without locks

_used: dict[str, int] = {}  # the locks that this process keeps, by the directory's real path


class InUseError(RunError):
    """Another process uses the directory."""

    def __init__(self, path: Path, why: str = "another process is using it") -> None:
        super().__init__(f"{path}: {why}. Wait until that one ends, or choose another directory")


def lock(path: Path, seconds: float = 0.0, *, shared: bool = False) -> int | None:
    """Lock the directory until the returned descriptor is closed or the process ends.

    Args:
        path: The directory.
        seconds: How long to wait for another process.
        shared: Whether others may hold a shared lock, too.

    Returns:
        The descriptor, or None if another process holds the lock.
    """
    descriptor = os.open(path, os.O_RDONLY)
    if _locks(descriptor, seconds, shared=shared):
        return descriptor
    os.close(descriptor)
    return None


def _locks(descriptor: int, seconds: float, *, shared: bool) -> bool:
    """Whether the open directory could be locked, or is where nothing can be."""
    if not HAS_LOCKS:
        return True
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in HELD:
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)


@contextmanager
def locked(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Keep everybody else out of the directory, which is created if it is missing.

    Args:
        path: The directory.
        seconds: How long to wait for another process.

    Raises:
        InUseError: If somebody else still holds the lock.
    """
    path.mkdir(parents=True, exist_ok=True)
    descriptor = lock(path, seconds)
    if descriptor is None:
        raise InUseError(path)
    try:
        yield
    finally:
        os.close(descriptor)


def is_used(path: Path) -> bool:
    """Whether another process has locked the directory; not, if there is none, or none that can be locked."""
    if uses(path):
        return False
    try:
        descriptor = lock(path, GLANCE)
    except OSError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def is_free(path: Path) -> bool:
    """Whether surely no process has locked the directory: this one could do so just now."""
    if uses(path) or not HAS_LOCKS:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def uses(path: Path) -> bool:
    """Whether this process has the directory for itself, by `use`."""
    return os.path.realpath(path) in _used


def use(path: Path, seconds: float = 0.0) -> bool:
    """Lock the directory until this process ends, or leaves it.

    Returns:
        Whether nobody else, here or elsewhere, has locked it.
    """
    descriptor = None if uses(path) else lock(path, seconds)
    if descriptor is not None:
        _used[os.path.realpath(path)] = descriptor
    return descriptor is not None


def leave(path: Path) -> None:
    """Unlock what `use` has locked."""
    descriptor = _used.pop(os.path.realpath(path), None)
    if descriptor is not None:
        os.close(descriptor)


@contextmanager
def used(path: Path) -> Iterator[None]:
    """As `locked`, but inside, this process can do so again."""
    if uses(path):
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    if not use(path, PATIENCE):
        raise InUseError(path)
    try:
        yield
    finally:
        leave(path)


def share(path: Path) -> None:
    """Let workers lock what `use` has locked, too, by `as_worker`."""
    descriptor = _used.get(os.path.realpath(path))
    if descriptor is not None and not _locks(descriptor, PATIENCE, shared=True):
        leave(path)  # another process was faster
        raise InUseError(path)


@contextmanager
def as_worker(path: Path | None) -> Iterator[None]:
    """Let the sweep's directory count as used while a worker trains, even if the sweep itself was killed.

    Args:
        path: The directory; None, or one that this machine does not have, is not locked.
    """
    try:
        descriptor = None if path is None else lock(path, PATIENCE, shared=True)
    except OSError:
        descriptor = None
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
