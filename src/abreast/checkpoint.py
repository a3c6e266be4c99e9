"""Checkpoints: tensors and primitives only, written as a whole or not at all."""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from abreast.errors import RunError
from abreast.results import write_atomically

SAVE_EVERY = 5.0  # seconds between two writings of one file


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoint files, written beside their target and then moved over it.

    A kill at any moment leaves the old file or the new one. A file that was written less than `every` seconds
    ago is kept in memory until then, or until `flush`: writing takes longer than a small network's epoch.
    """

    def __init__(self, every: float = SAVE_EVERY) -> None:
        self.every = every
        self._written: dict[Path, float] = {}
        self._kept: dict[Path, dict[str, Any]] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the checkpoint now, or keep a copy of it until it is time."""
        path = Path(path)
        if time.monotonic() - self._written.get(path, -math.inf) < self.every:
            self._kept[path] = copy.deepcopy(checkpoint)
        else:
            self._write(path, checkpoint)

    def _write(self, path: Path, checkpoint: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(path, buffer.getbuffer())
        self._kept.pop(path, None)
        self._written[path] = time.monotonic()

    def flush(self) -> None:
        """Write what is kept in memory."""
        for path, checkpoint in list(self._kept.items()):
            self._write(path, checkpoint)

    def teardown(self) -> None:
        """Write what is kept in memory: the Trainer's work is over."""
        self.flush()

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; never runs code from the file."""
        del weights_only  # always
        self.flush()
        return load(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file, if it is there."""
        self._kept.pop(Path(path), None)
        Path(path).unlink(missing_ok=True)


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint's content. Raises RunError, which names the file, for one that is missing or broken."""
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except Exception as error:  # torch raises many kinds for a broken file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: not a checkpoint that can be loaded safely ({reason})") from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), Mapping):
        raise RunError(f"{path}: holds no weights (`state_dict`)")
    return content


def weights(path: Path) -> dict[str, Tensor]:
    """The weights that a checkpoint holds, on the CPU."""
    return dict(load(path)["state_dict"])
