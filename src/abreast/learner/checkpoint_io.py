"""Lightning's checkpoint files, written atomically and not more often than every few seconds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from abreast.config.types import State
from abreast.learner.checkpoint import load, moved_to, write
from abreast.runs.files import BEST, LAST

SAVE_EVERY = 5.0  # seconds between two writings of one file


class DeferredCheckpoints:
    """Checkpoints that are kept in memory until `flush`.

    `last.ckpt` is what a run resumes from, and says which epoch was best so far: the others are written
    before it, so that none of them is older.

    Args:
        before: Called before files are written.
    """

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before
        self._contents: dict[Path, State] = {}

    def __len__(self) -> int:
        return len(self._contents)

    def keep(self, path: Path, content: State) -> None:
        """Keep the content for the file at `path`. It must not change until it is written."""
        self._contents[path] = content

    def drop(self, path: Path) -> None:
        """Forget the content for the file at `path`, if there is one."""
        self._contents.pop(path, None)

    def clear(self) -> None:
        """Forget everything that was kept."""
        self._contents.clear()

    def flush(self) -> dict[Path, State]:
        """Write everything that is kept; what cannot be written stays.

        Returns:
            The contents of the files that were written.
        """
        written = {}
        if self._contents:
            self._before()
        for path in sorted(self._contents, key=lambda path: path.name == LAST):
            write(path, self._contents[path])
            written[path] = self._contents.pop(path)
        return written


class AtomicCheckpointIO(CheckpointIO):
    """Writes checkpoints beside their target and then moves them over it.

    A kill at any moment leaves the old file or the new one. Writing takes longer than a small network's
    epoch, so a file is not written again within `every` seconds: it is kept in memory until then, or until
    `flush`. `best.ckpt` is always kept, and written just before `last.ckpt`.

    Args:
        every: Seconds between two writings of one file.
        before: Called before a file is written: what a checkpoint has trained is logged by then.
    """

    def __init__(self, every: float = SAVE_EVERY, before: Callable[[], None] = lambda: None) -> None:
        self.every = every
        self._before = before
        self._written: dict[Path, float] = {}  # when, by `time.monotonic`
        self._deferred = DeferredCheckpoints(before)

    def save_checkpoint(self, checkpoint: State, path: Any, storage_options: Any = None) -> None:
        """Write the checkpoint now, or keep a copy of it until it is time."""
        path = Path(path)
        if path.name == BEST or time.monotonic() - self._written.get(path, -math.inf) < self.every:
            self._deferred.keep(path, copy.deepcopy(checkpoint))
            return
        self._deferred.drop(path)
        if path.name == LAST:
            self.flush()
        self._before()
        write(path, checkpoint)
        self._written[path] = time.monotonic()

    def flush(self) -> None:
        """Write what is kept in memory."""
        for path in self._deferred.flush():
            self._written[path] = time.monotonic()

    def teardown(self) -> None:
        """Write what is kept in memory: the Trainer's work is over."""
        self.flush()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> State:
        """Read a checkpoint; never runs code from the file. The paths in it follow where it lies now."""
        del weights_only  # always
        self.flush()
        path = Path(path)
        return moved_to(path.resolve().parent, load(path, map_location))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file, if it is there."""
        self._deferred.drop(Path(path))
        Path(path).unlink(missing_ok=True)
