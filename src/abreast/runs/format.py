"""The format version of the files in a run's directory. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abreast.config.types import Json, is_whole
from abreast.errors import RunError


class NewerFormatError(RunError):
    """A file was written by a newer release. It is not broken: nothing may overwrite or remove it."""


FORMAT = 1  # raise it when an older release could misread what is written now
KEY = "format"


def with_format(content: Mapping[str, Any]) -> Json:
    """The content with the format version as its first key."""
    return {KEY: FORMAT, **content}


def without_format(content: Mapping[str, Any], file: Path) -> Json:
    """The content of `file` without its format version. A file without a version has version 1.

    Raises:
        NewerFormatError: If the version is newer than this release can read.
        RunError: If it is not a version.
    """
    version = content.get(KEY, FORMAT)
    if not is_whole(version, 1):
        raise RunError(f"{file}: {KEY}={version!r} is not a format version: it must be in 1..{FORMAT}")
    if version > FORMAT:
        raise NewerFormatError(
            f"{file}: has format {version}, but this release of abreast reads formats up to {FORMAT}. "
            "Install the release that wrote it, or a newer one"
        )
    return {key: value for key, value in content.items() if key != KEY}
