"""Where the latest command of this process puts its run or its sweep, for a caller in the same process."""

from __future__ import annotations

from pathlib import Path

_latest: list[Path] = []


def note_directory(directory: Path | None) -> None:
    """Note the directory that a command has chosen; None before it has one."""
    _latest[:] = [] if directory is None else [directory.absolute()]


def latest_directory() -> Path | None:
    """The directory; None where the command was refused before it had one."""
    return _latest[0] if _latest else None
