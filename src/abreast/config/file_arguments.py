"""Files that the arguments of custom classes and functions name: their content counts. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from abreast.config.targets import is_custom
from abreast.runtime.file_digest import file_digest

LONGEST = 4096  # characters of a path


def file_digests(node: Any) -> dict[str, str]:
    """Digests of the files that arguments name, by the `_target_` and the argument: `mine.Net.weights`.

    Args:
        node: A run's resolved configuration, or a part of it.

    Returns:
        SHA-256 in hexadecimal; texts that name no regular file are left out.
    """
    digests = {}
    for name, text in _texts(node, ""):
        digest = _digest_of(text)
        if digest:
            digests[name] = digest
    return digests


def _texts(node: Any, name: str) -> Iterator[tuple[str, str]]:
    """The texts below custom components, each with its name; `name` is "" outside of one."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str):
            name = target if is_custom(target) else ""
        for key, value in node.items():
            if key != "_target_":
                yield from _texts(value, f"{name}.{key}" if name else "")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _texts(value, f"{name}.{number}" if name else "")
    elif isinstance(node, str) and name:
        yield name, node


def _digest_of(text: str) -> str:
    """The digest of the file that a text names; "" where it names none, or could be any word."""
    if len(text) > LONGEST or not (os.sep in text or "." in text):
        return ""
    try:
        path = Path(text).resolve()
        if not path.is_file():
            return ""
        stat = path.stat()
        return _digest(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError, RuntimeError):  # not readable, a NUL byte, a circle of links
        return ""


@lru_cache(maxsize=256)
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return file_digest(file) or ""
