"""The id by which experiment trackers know a run, kept in its directory. No torch.

It is drawn by the operating system: a generator that the run's seed has seeded would give the same id to all
runs of one seed.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from abreast.errors import RunError
from abreast.runs.atomic import write_atomically
from abreast.runs.files import TRACKER_ID
from abreast.runs.small_file import read_text

_ID = re.compile(r"[0-9a-f]{16}\n?")


def tracker_id(directory: Path) -> tuple[str, bool]:
    """The id, made where there is none.

    Args:
        directory: The run's directory.

    Returns:
        The id, of 16 hexadecimal digits, and whether it is new.
    """
    try:
        text = read_text(directory / TRACKER_ID, most_bytes=64)
    except (FileNotFoundError, RunError):
        text = ""
    if _ID.fullmatch(text):
        return text.strip(), False
    text = secrets.token_hex(8)
    write_atomically(directory / TRACKER_ID, f"{text}\n".encode())
    return text, True
