"""Which code is installed, and which is the user's own."""

from __future__ import annotations

import sysconfig
from functools import cache, lru_cache
from pathlib import Path

SITE = {"site-packages", "dist-packages"}
OURS = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1024)
def is_installed(file: Path) -> bool:
    """Whether a file of source is of Python, of abreast or of another installed package."""
    if str(file).startswith("<frozen"):
        return True
    path = file.resolve()
    return bool(SITE & set(path.parts)) or any(map(path.is_relative_to, _folders()))


@cache
def _folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (OURS, *(Path(folder).resolve() for folder in map(sysconfig.get_path, names) if folder))
