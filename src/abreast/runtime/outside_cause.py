"""What ends a run although nothing in it is wrong: the disk, the memory, the terminal, a lost process."""

from __future__ import annotations

import errno
from pathlib import Path

from abreast.errors import AbreastError, DiskError, LostProcessError, chain, class_and_line, first_line

# Whatever file or connection they are about. Others count where they are about the run's own files: a path
# that does not exist is the mistake of who wrote it, unless it is the run's directory that has gone.
ERRNOS = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EIO", "ESTALE", "ENXIO", "ENODEV", "EREMOTEIO", "EUCLEAN"),
        *("ENOMEM", "EAGAIN", "EMFILE", "ENFILE", "ENOLCK", "EINTR", "ETXTBSY", "ENOTCONN", "ESHUTDOWN"),
        *("EPIPE", "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "ENOBUFS"),
    )
    if hasattr(errno, name)
)
# What torch says in a RuntimeError. Its own class for a full GPU is told by its name.
MEMORY_CLASS = "OutOfMemoryError"
TEXTS = (
    "can't allocate memory",  # the allocator of the CPU
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "can't start new thread",
    "unable to mmap",
    "unable to write to file",
    "uncorrectable ECC error",
    "devices are busy or unavailable",
    "device(s) is/are busy or unavailable",
    "GPU is lost",
)
# What a process says whose neighbour of the same run has gone, by gloo, NCCL, and the store between them.
LOST_PEER_CLASSES = ("DistNetworkError", "DistStoreError", "DistBackendError")
LOST_PEER_TEXTS = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Connection refused",
    "Broken pipe",
    "remote worker",
    "NCCL communicator was aborted",
    "remote process exited",
)


def outside_cause(error: BaseException, folder: Path | None = None) -> str | None:
    """What outside of the run ended it, in one line; None for a fault of the run's own.

    Args:
        error: What the run raised; what it was raised from counts, too.
        folder: The run's directory.
    """
    for link in chain(error):
        if _is_outside(link, folder):
            return first_line(link) if isinstance(link, AbreastError) else class_and_line(link)
    return None


def _is_outside(error: BaseException, folder: Path | None) -> bool:
    if isinstance(error, (DiskError, LostProcessError, MemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno in ERRNOS or _has_gone(folder) or _is_about(error, folder)
    if isinstance(error, RuntimeError):
        text = str(error)
        is_memory = type(error).__name__ == MEMORY_CLASS or any(part in text for part in TEXTS)
        return is_memory or _is_lost_peer(error)
    return False


def is_lost_peer(error: BaseException) -> bool:
    """Whether a process of a run over several says by the error that another one has gone."""
    return any(_is_lost_peer(link) for link in chain(error))


def _is_lost_peer(error: BaseException) -> bool:
    if not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ in LOST_PEER_CLASSES or any(part in str(error) for part in LOST_PEER_TEXTS)


def _is_about(error: OSError, folder: Path | None) -> bool:
    """Whether the error names a file of the run."""
    if folder is None:
        return False
    names = (name for name in (error.filename, error.filename2) if isinstance(name, str))
    return any(Path(name).resolve().is_relative_to(folder.resolve()) for name in names)


def _has_gone(folder: Path | None) -> bool:
    """Whether somebody has removed the run's directory, or the working directory."""
    try:
        Path.cwd()
        return folder is not None and not folder.exists()
    except OSError:
        return True
