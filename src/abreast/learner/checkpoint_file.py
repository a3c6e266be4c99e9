"""The file of a checkpoint, checked before and after torch reads it: it may come from a stranger.

torch writes an archive without compression. One that is compressed can be a few megabytes of what unpacks to
terabytes, a tensor of a few bytes can be expanded to any shape, and a list can hold itself.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

MOST_DEPTH = 100  # of nested dicts and lists
MOST_VALUES = 1 << 21  # in all of them


def check_archive(path: Path) -> None:
    """Check a checkpoint's file before it is read into memory. No part of it is unpacked.

    Raises:
        FileNotFoundError: If nothing is there.
        ValueError: If it is not a regular file that holds as much as it says; the message says why.
        OSError, zipfile.BadZipFile: If it cannot be read, or is damaged.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("not a regular file")
        if facts.st_size > _memory():
            raise ValueError(f"{facts.st_size} bytes are more than this machine's memory")
        with zipfile.ZipFile(file) as parts:
            entries = parts.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("compressed, as no checkpoint is")
            declared = sum(entry.file_size for entry in entries)
            if declared > facts.st_size or any(entry.file_size != entry.compress_size for entry in entries):
                raise ValueError(f"says that {declared} bytes are in a file of {facts.st_size}")
            broken = parts.testzip()  # torch passes over a wrong checksum
    if broken is not None:
        raise zipfile.BadZipFile(f"wrong checksum of {broken}")


def check_content(content: Any) -> None:
    """Check what torch has read: bounded in depth and number, and no tensor larger than its memory.

    Raises:
        ValueError: If what computes or copies with it could take more memory than the file did.
    """
    nodes, seen = [(content, 1)], 0
    while nodes:
        node, depth = nodes.pop()
        seen += 1
        if seen > MOST_VALUES or depth > MOST_DEPTH:
            raise ValueError("nested too deeply, or more values than a checkpoint has")
        if isinstance(node, Tensor):
            if node.is_sparse or str(node.layout) != "torch.strided" or node.is_meta or node.is_quantized:
                raise ValueError("holds a tensor that is not a plain one")
            if node.numel() * node.element_size() > node.untyped_storage().nbytes():
                raise ValueError(f"holds a tensor of shape {list(node.shape)}, but not its values")
        elif isinstance(node, Mapping):
            nodes += [(part, depth + 1) for pair in node.items() for part in pair]
        elif isinstance(node, (list, tuple, set, frozenset)):
            nodes += [(part, depth + 1) for part in node]


def _memory() -> int:
    """Bytes of this machine's memory; without a limit where it cannot be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 62
