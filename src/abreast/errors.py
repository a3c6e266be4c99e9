"""What ends a run early. An AbreastError is printed as one message, without a traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

NOT_OURS = (errno.EACCES, errno.EPERM)
# By what the system says of a file that could not be written, wherever the file is.
FIXES = {
    errno.ENOSPC: "Free some space there",
    errno.EDQUOT: "Free some space there",
    errno.EROFS: "Make it writable",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f)",
    errno.EIO: "Check that disk",
}


class AbreastError(Exception):
    """A mistake that the user can fix. The message says what was wrong, what is allowed, and the fix."""

    exit_code = 2


class ConfigError(AbreastError):
    """The configuration cannot be run."""


class DataError(AbreastError):
    """A data file is missing, truncated or corrupt, or its content does not fit the task."""


class RunError(AbreastError):
    """A run directory or one of its files cannot be read."""


class LostProcessError(RunError):
    """A process of a run over several was killed, or its machine was lost: what it trained can be resumed."""

    exit_code = 1


class StoppedError(RunError):
    """A signal such as SIGTERM has stopped a training that was called from Python; it can be resumed."""

    exit_code = 1


class DiskError(RunError):
    """A file cannot be written: the disk is full or read-only, or the file belongs to another user."""


class ObstructedError(DiskError, OSError):
    """A file cannot be written, as something else is in its place, or in that of its folder."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says; the name of its class where it says nothing.

    >>> first_line(ValueError("no data\\nat line 3")), first_line(KeyboardInterrupt())
    ('no data', 'KeyboardInterrupt')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def class_and_line(error: BaseException) -> str:
    """The class of an error and the first line of what it says.

    >>> class_and_line(ValueError("no data\\nat line 3")), class_and_line(KeyboardInterrupt())
    ('ValueError: no data', 'KeyboardInterrupt')
    """
    name, line = type(error).__name__, first_line(error)
    return name if line == name else f"{name}: {line}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        yield link
        seen.add(id(link))
        link = link.__cause__ or link.__context__


def disk_error(error: BaseException, folder: Path | None) -> DiskError | None:
    """The error to raise for a file that could not be written; None for an error of another kind.

    The message names the file of the error, or else the folder. A refused permission counts within the
    folder only.
    """
    if isinstance(error, DiskError):
        return error
    if not isinstance(error, OSError):
        return None
    file = Path(error.filename) if isinstance(error.filename, str) else folder
    is_within = folder is not None and file is not None and file.absolute().is_relative_to(folder.absolute())
    if error.errno not in FIXES and not (error.errno in NOT_OURS and is_within):
        return None
    fix = FIXES.get(error.errno or 0, "Make it writable")
    return DiskError(f"{file or 'a file'}: cannot be written ({error.strerror}). {fix}")


class DivergedError(AbreastError):
    """The training loss of a mini-batch is not finite; `step` is the optimizer step that it was for."""

    exit_code = 1

    def __init__(self, step: int) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step

    def __reduce__(self) -> tuple[type[DivergedError], tuple[int]]:
        return type(self), (self.step,)  # for another process


class Interrupted(SystemExit):
    """A signal ended the run between two steps; what is needed to resume it is saved.

    Not an Exception: a sweep would take it for the failure of one job and continue.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        return type(self), (self.signum,)  # for another process
