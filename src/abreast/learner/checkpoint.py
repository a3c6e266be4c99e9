"""Checkpoint files: tensors and primitives only, written whole or not at all."""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from abreast.config.types import State
from abreast.data.datamodule import DataModule
from abreast.errors import RunError, first_line
from abreast.learner.attribute_values import is_dense
from abreast.learner.checkpoint_file import check_archive, check_content
from abreast.learner.resume_state import logged_steps
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runs.files import BEST, LAST
from abreast.runs.format import NewerFormatError, without_format
from abreast.runs.replaced import clear

log = logging.getLogger(__name__)

MOVED = {"best_model_path", "last_model_path", "kth_best_model_path"}
# What a training resumes from, beside its position.
KEYS: dict[str, type] = {
    "state_dict": Mapping,
    "epoch": int,
    "global_step": int,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint as a whole, or not at all."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getbuffer())


def moved_to(folder: Path, content: State) -> State:
    """The checkpoint with every ModelCheckpoint's state as that of one that saves into the folder alone."""
    for state in content.get("callbacks", {}).values():
        for key in MOVED & state.keys():
            state[key] = state[key] and str(folder / Path(state[key]).name)
        if "best_k_models" in state:
            best = state["best_k_models"].items()
            state["best_k_models"] = {str(folder / Path(path).name): value for path, value in best}
        if "dirpath" in state:
            state["dirpath"] = str(folder)
    return content


def load(path: Path, map_location: Any = "cpu") -> State:
    """A checkpoint's content. Never runs code from the file.

    Args:
        path: The file.
        map_location: The device for its tensors.

    Raises:
        NewerFormatError: A newer release wrote the file.
        RunError: The file is missing or broken; the message names it.
    """
    try:
        size = check_archive(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
        check_content(content, size)
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except Exception as error:  # torch raises many kinds for a broken file
        reason = first_line(error)
        raise RunError(f"{path}: not a checkpoint that can be loaded safely ({reason})") from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), Mapping):
        raise RunError(f"{path}: holds no weights (`state_dict`)")
    if isinstance(content.get("abreast"), Mapping):
        without_format(content["abreast"], path)
    return content


def as_read(content: State) -> State:
    """The content with its values that are not tensors as a checkpoint gives them back.

    Raises:
        RunError: A value cannot be written, or not read again.
    """
    read = copy.copy(content)  # with the versions of its modules, if it has them
    for key, value in content.items():
        if not (isinstance(value, Tensor) and is_dense(value)):
            read[key] = _as_read(key, value)
    return read


def _as_read(key: str, value: Any) -> Any:
    if isinstance(value, Tensor):
        raise RunError(f"{key} of it is sparse, quantized or nested (persistent=False leaves it out)")
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        value = torch.load(buffer, weights_only=True)
        check_content(value, len(buffer.getbuffer()))
    except Exception as error:
        raise RunError(f"{key} of it is neither a tensor nor plain values") from error
    return value


class CheckpointFacts(NamedTuple):
    """What a run's last checkpoint says beside its weights.

    Attributes:
        digest: The digest of the data; None where it does not say.
        logged_steps: The optimizer steps that the loggers had been told of.
    """

    digest: str | None
    logged_steps: int


# By file, with what tells whether it changed.
_FACTS: dict[Path, tuple[tuple[int, ...], CheckpointFacts]] = {}


def facts(path: Path) -> CheckpointFacts:
    """What a last checkpoint says of the run; read again only once the file has changed. Raises as `load`."""
    kept = _FACTS.get(path)
    if kept is None or kept[0] != file_version(path):
        _load_last(path)
    return _FACTS[path][1]


def _load_last(path: Path) -> State:
    """As `load`, for a checkpoint to resume from, whose facts are kept."""
    version = file_version(path)
    content = load(path)
    missing = [key for key, kind in KEYS.items() if not isinstance(content.get(key), kind)]
    if missing:
        raise RunError(f"{path}: not a checkpoint that a run can resume from (it has no `{missing[0]}`)")
    state = content.get(DataModule.__qualname__)
    digest = state.get("digest") if isinstance(state, Mapping) else None
    known = CheckpointFacts(digest if isinstance(digest, str) else None, logged_steps(content))
    _FACTS[path] = version, known
    return content


def file_version(path: Path) -> tuple[int, ...]:
    """What differs once the file is replaced or written again; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


class ResumePoint(NamedTuple):
    """Where a run continues: after `epoch` epochs and `batches` mini-batches of the next one."""

    epoch: int
    batches: int
    should_stop: bool


START = ResumePoint(0, 0, False)


def resume_point(directory: RunDirectory) -> ResumePoint:
    """Where the run continues.

    Raises:
        RunError: Something that resuming takes is missing or broken; the message names the file.
    """
    last, best = directory.checkpoints / LAST, directory.checkpoints / BEST
    content = _load_last(last)
    try:
        saved = content["abreast"]["position"]
        point = ResumePoint(int(saved["epoch"]), int(saved["batches"]), bool(saved["should_stop"]))
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{last}: does not say how far the training was (`abreast.position`)") from None
    if best.exists():
        load(best)
    directory.rows_until(point.epoch)
    return point


def resume_point_or_clear(directory: RunDirectory) -> ResumePoint:
    """As `resume_point`; where something is broken, the directory is cleared, and the run restarts."""
    try:
        return resume_point(directory)
    except NewerFormatError:
        raise  # not broken: a newer release can resume it
    except RunError as error:
        log.warning("%s; the run restarts from scratch", error)
        clear(directory.path)
        return START


def weights(path: Path) -> dict[str, Tensor]:
    """The weights that a checkpoint holds, on the CPU."""
    state: dict[str, Tensor] = load(path)["state_dict"]
    return state


def trained_digest(directory: RunDirectory) -> str | None:
    """The digest of the data that the run's last checkpoint was trained on; None where it does not say."""
    last = directory.checkpoints / LAST
    return facts(last).digest if last.exists() else None
