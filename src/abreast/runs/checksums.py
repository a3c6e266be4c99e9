"""Checksums in `result.json`: whether the files of a run are still what training wrote. No torch.

They find what is damaged but can still be read, and what somebody has edited. Editing is allowed: a changed
file is reported, and used. They are no signature: who changes a file on purpose can change its checksum too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.runs.files import (
    BEST,
    CHECKPOINTS,
    CONFIG,
    EXAMPLES,
    HYDRA,
    LAST,
    METRICS,
    OVERRIDES,
    RESULT,
    WORST,
)
from abreast.runs.small_file import MOST_BYTES, open_file
from abreast.runtime.file_digest import file_digest

KEY = "checksums"  # in result.json
SMALL = (CONFIG, METRICS, EXAMPLES, WORST, f"{HYDRA}/{OVERRIDES}")
CHECKED = (*SMALL, f"{CHECKPOINTS}/{BEST}", f"{CHECKPOINTS}/{LAST}")
MOST_CHECKPOINT_BYTES = 1 << 36


def with_checksums(result: Mapping[str, Any], path: Path) -> Json:
    """The content of result.json, with the checksums of the files beside it and of itself.

    Args:
        result: The content of result.json.
        path: The run's directory, whose other files are complete.
    """
    files = {name: digest for name in CHECKED if (digest := checksum(path / name)) is not None}
    return {**result, KEY: {**files, RESULT: content_checksum(result)}}


def checksum(file: Path) -> str | None:
    """The SHA-256 of a file, in hexadecimal digits; None if nothing is there that can be read."""
    most_bytes = MOST_CHECKPOINT_BYTES if file.suffix == ".ckpt" else MOST_BYTES
    try:
        with open_file(file) as (stream, facts):
            return file_digest(stream) if facts.st_size <= most_bytes else None
    except (OSError, RunError):
        return None


def content_checksum(result: Mapping[str, Any]) -> str:
    """The SHA-256 of the content of result.json without its checksums, whatever the layout of its text."""
    text = json.dumps(without_checksums(result), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def without_checksums(result: Mapping[str, Any]) -> Json:
    """The content of result.json that says something of the run."""
    return {name: value for name, value in result.items() if name != KEY}


def changed_files(result: Mapping[str, Any], path: Path, names: Collection[str]) -> list[str]:
    """The files that are not what they were when the run ended.

    Args:
        result: The content of result.json, with its checksums; one of an older release has none.
        path: The run's directory.
        names: The files to look at.

    Returns:
        The names of the files that were changed or removed since.
    """
    recorded = result.get(KEY)
    if recorded is None:
        return []
    if not isinstance(recorded, Mapping):
        return [RESULT]
    changed = [
        name
        for name in names
        if name in CHECKED and name in recorded and checksum(path / name) != recorded[name]
    ]
    if RESULT in names and content_checksum(result) != recorded.get(RESULT):
        changed.append(RESULT)
    return changed


def renewed(result: Mapping[str, Any], path: Path, name: str) -> Json:
    """The content of result.json with another checksum of one file, which has been written again."""
    recorded = result.get(KEY)
    if not isinstance(recorded, Mapping):
        return dict(result)
    return {**result, KEY: {**recorded, name: checksum(path / name)}}
