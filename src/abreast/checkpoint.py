"""Checkpoints: tensors and primitives only, written as a whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from abreast.errors import RunError
from abreast.results import write_atomically


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoint files, written beside their target and then moved over it."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the checkpoint; a kill at any moment leaves the old file or the new one."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; never runs code from the file."""
        del weights_only  # always
        return load(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file, if it is there."""
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
