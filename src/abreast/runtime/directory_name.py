"""Names of directories that the file system takes."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

MOST_BYTES = 255  # of a name, on the file systems of Linux, macOS and Windows
SHORT = 64  # of a name, where the whole path is too long
MOST_PATH_BYTES = 4096 - 256  # Linux's limit, less what a run writes below its directory
DIGITS = 12
MOST_CHARACTERS = 100  # of a run's name before its id


def shortened(path: str | Path, most: int = MOST_BYTES) -> Path:
    """The path with names that are not too long, always the same for the same path.

    A name that is too long keeps its beginning, and ends in a digest of all of it, so that different names
    stay different.

    Args:
        path: The path.
        most: Bytes that are left of a name that is too long.

    >>> name = shortened("runs/" + "optim.lr=0.1," * 30).name
    >>> len(name), name[:13]
    (255, 'optim.lr=0.1,')
    """
    result = Path(*(_short(name, MOST_BYTES, most) for name in Path(path).parts))
    if len(os.fsencode(result.absolute())) > MOST_PATH_BYTES:
        result = Path(*(_short(name, SHORT, SHORT) for name in Path(path).parts))
    return result


def run_directory_name(title: str, run_id: str) -> str:
    """The name of a run's directory in a sweep.

    Args:
        title: The overrides in which the run differs from others of the sweep, with spaces between them.
        run_id: The run's id.

    >>> run_directory_name("loss=mse data.dir=/a/b", "0123456789")
    'loss=mse,data.dir=_a_b_0123456789'
    """
    readable = re.sub(r"[^\w=.,+-]+", "_", title.replace(" ", ","))[:MOST_CHARACTERS].strip("_,.") or "run"
    return f"{readable}_{run_id}"


def _short(name: str, limit: int, most: int) -> str:
    encoded = os.fsencode(name)
    if len(encoded) <= limit:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:DIGITS]
    # A character that is cut in two is left out.
    beginning = encoded[: most - DIGITS - 1].decode("utf-8", "ignore").rstrip(" .")
    return f"{beginning}_{digest}"
