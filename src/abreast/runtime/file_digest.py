"""The SHA-256 of a file of any size, read in parts."""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

PART = 1 << 20  # bytes that are read at a time
WITHOUT_HOLES = 1 << 30  # bytes: a larger file without most of its blocks is none that was written


def file_digest(file: BinaryIO) -> str | None:
    """The SHA-256 of an open file.

    Args:
        file: A regular file, at its beginning.

    Returns:
        Hexadecimal digits; None for a large file that consists of holes, which would be read for hours.

    Raises:
        OSError: It cannot be read.
    """
    facts = os.fstat(file.fileno())
    on_disk = getattr(facts, "st_blocks", facts.st_size) * 512  # bytes; Windows does not say
    if facts.st_size > WITHOUT_HOLES and on_disk < facts.st_size // 8:
        return None
    digest = hashlib.sha256()
    while part := file.read(PART):
        digest.update(part)
    return digest.hexdigest()
