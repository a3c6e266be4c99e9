"""Which code is the caller's own, and which is installed."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import abreast

SITE = {"site-packages", "dist-packages"}
FOLDERS = (Path(sysconfig.get_path("stdlib")), Path(abreast.__file__).parents[1])


def is_installed(file: str) -> bool:
    """Whether a file of source is of Python, of abreast or of another installed package."""
    path = Path(file)
    return file.startswith("<frozen") or bool(SITE & {*path.parts}) or any(map(path.is_relative_to, FOLDERS))
