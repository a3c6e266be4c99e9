"""A small disk of one's own, to fill up and to write-protect: a tmpfs, which only root may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = ".ballast"


class Disk:
    """A mounted tmpfs of some KiB at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def leave(self, kib: int) -> None:
        """Let only so many KiB be free."""
        self.empty()
        free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize
        assert free > kib << 10
        (self.path / BALLAST).write_bytes(bytes(free - (kib << 10)))

    def empty(self) -> None:
        """Give the room back."""
        (self.path / BALLAST).unlink(missing_ok=True)

    def protect(self, on: bool = True) -> None:
        """Make it read-only, or writable again."""
        _mount("-o", "remount,ro" if on else "remount,rw", str(self.path))

    def parts(self) -> list[Path]:
        """Files that were begun and left."""
        return [*self.path.rglob("*.part")]


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def mounted(path: Path, kib: int) -> Iterator[Disk]:
    """A new disk at the path; skips the test where this process may mount none."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        _mount("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted here: it takes root, and a container's leave ({error})")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True, capture_output=True)


Mount = Callable[..., Disk]
