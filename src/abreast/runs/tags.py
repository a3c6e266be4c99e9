"""The words that a person puts on a run's or a sweep's directory. No identity and no report reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from abreast.errors import RunError
from abreast.runs.atomic import write_json
from abreast.runs.files import TAGS
from abreast.runs.format import with_format
from abreast.runs.small_file import parse_json, read_text

MOST_TAGS = 100
_TAG = re.compile(r"[^\s,\ud800-\udfff]{1,60}")  # half characters are bytes that are no text


def read_tags(directory: Path) -> tuple[str, ...]:
    """The tags, sorted; none where the file is missing or broken."""
    try:
        content = parse_json(read_text(directory / TAGS), directory / TAGS)
    except (OSError, RunError):
        return ()
    tags = content.get("tags") if isinstance(content, dict) else None
    if not isinstance(tags, list):
        return ()
    return tuple(sorted({tag for tag in tags if isinstance(tag, str) and _TAG.fullmatch(tag)}))[:MOST_TAGS]


def write_tags(directory: Path, tags: Iterable[str]) -> tuple[str, ...]:
    """Replace the tags; without any, the file is removed.

    Args:
        directory: A run's or a sweep's directory.
        tags: Words without spaces and commas.

    Returns:
        The tags, sorted.

    Raises:
        RunError: If one is not a word, or there are more than a hundred.
    """
    kept = tuple(sorted(set(tags)))
    for tag in kept:
        if not _TAG.fullmatch(tag):
            raise RunError(f"{tag!r}: a tag is a word of at most 60 characters, without spaces and commas")
    if len(kept) > MOST_TAGS:
        raise RunError(f"{directory}: more than {MOST_TAGS} tags")
    if kept:
        write_json(directory / TAGS, with_format({"tags": list(kept)}))
    else:
        (directory / TAGS).unlink(missing_ok=True)
    return kept
