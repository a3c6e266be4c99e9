"""Checkpoints: tensors and primitives only, written as a whole or not at all."""

from __future__ import annotations

import copy
import io
import logging
import math
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from abreast.errors import RunError
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runs.files import BEST, LAST
from abreast.runs.state import clear

log = logging.getLogger(__name__)

SAVE_EVERY = 5.0  # seconds between two writings
MOVED = {"best_model_path", "last_model_path", "kth_best_model_path"}
# What a training is taken up from, beside its own position.
KEYS: dict[str, type] = {
    "state_dict": Mapping,
    "epoch": int,
    "global_step": int,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoint files, written beside their target and then moved over it.

    A kill at any moment leaves the old file or the new one. Writing takes longer than a small network's
    epoch: a file that was written less than `every` seconds ago is kept in memory until then, or until
    `flush`. `last.ckpt` is what a run is taken up from, and says which epoch was best so far: `best.ckpt` is
    written with it, and before it, so that it is never older.
    """

    def __init__(self, every: float = SAVE_EVERY) -> None:
        self.every = every
        self._written: dict[Path, float] = {}
        self._kept: dict[Path, dict[str, Any]] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the checkpoint now, or keep a copy of it until it is time."""
        path = Path(path)
        if path.name == BEST or time.monotonic() - self._written.get(path, -math.inf) < self.every:
            self._kept[path] = copy.deepcopy(checkpoint)
            return
        self._kept.pop(path, None)
        if path.name == LAST:
            self.flush()
        self._write(path, checkpoint)

    def _write(self, path: Path, checkpoint: dict[str, Any]) -> None:
        write(path, checkpoint)
        self._written[path] = time.monotonic()

    def flush(self) -> None:
        """Write what is kept in memory, `last.ckpt` after the others."""
        for path in sorted(self._kept, key=lambda path: path.name == LAST):
            self._write(path, self._kept[path])
            del self._kept[path]

    def teardown(self) -> None:
        """Write what is kept in memory: the Trainer's work is over."""
        self.flush()

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; never runs code from the file. The paths in it follow where it lies now."""
        del weights_only  # always
        self.flush()
        content = load(Path(path), map_location)
        for state in content.get("callbacks", {}).values():
            _move(state, Path(path).resolve().parent)
        return content

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file, if it is there."""
        self._kept.pop(Path(path), None)
        Path(path).unlink(missing_ok=True)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint as a whole, or not at all."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getbuffer())


def _move(state: dict[str, Any], folder: Path) -> None:
    """Let a ModelCheckpoint's state be that of one that saves into the folder, and removes only there."""
    for key in MOVED & state.keys():
        state[key] = state[key] and str(folder / Path(state[key]).name)
    if "best_k_models" in state:
        state["best_k_models"] = {str(folder / Path(k).name): v for k, v in state["best_k_models"].items()}
    if "dirpath" in state:
        state["dirpath"] = str(folder)


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint's content. Raises RunError, which names the file, for one that is missing or broken."""
    try:
        with zipfile.ZipFile(path) as parts:  # torch passes over a wrong checksum
            broken = parts.testzip()
        if broken is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except Exception as error:  # torch raises many kinds for a broken file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: not a checkpoint that can be loaded safely ({reason})") from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), Mapping):
        raise RunError(f"{path}: holds no weights (`state_dict`)")
    return content


Place = tuple[int, int, bool]


def stands(directory: RunDirectory) -> Place:
    """Where the run goes on: the epoch, its mini-batches that are done, whether it is to stop.

    Raises RunError, which names the file, where anything that it takes is missing or broken.
    """
    last, best = directory.checkpoints / LAST, directory.checkpoints / BEST
    content = load(last)
    missing = [key for key, kind in KEYS.items() if not isinstance(content.get(key), kind)]
    if missing:
        raise RunError(f"{last}: no checkpoint of a run that can be gone on with (it has no `{missing[0]}`)")
    try:
        place = content["abreast"]["position"]
        found = int(place["epoch"]), int(place["batches"]), bool(place["should_stop"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{last}: does not say where the training stands") from None
    if best.exists():
        load(best)
    directory.rows_until(found[0])
    return found


def place(directory: RunDirectory) -> Place:
    """As `stands`; where something is broken all that the run has left is removed: it begins anew."""
    try:
        return stands(directory)
    except RunError as error:
        log.warning("%s; the run begins anew", error)
        clear(directory.path)
        return 0, 0, False


def weights(path: Path) -> dict[str, Tensor]:
    """The weights that a checkpoint holds, on the CPU."""
    return dict(load(path)["state_dict"])
