"""The user's folder for what takes time to find out again, and may be deleted at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "ABREAST_CACHE"
OFF = "off"


def cache_folder() -> Path | None:
    """The folder that `ABREAST_CACHE` names, else `abreast` among the user's caches; None for none.

    It need not exist. `ABREAST_CACHE=off` means none, as does a user without a home.
    """
    chosen = os.environ.get(VARIABLE, "").strip()
    if chosen.lower() == OFF:
        return None
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        return _caches() / "abreast"
    except (OSError, RuntimeError, ValueError):  # no home, no current folder
        return None


def _caches() -> Path:
    """Where the system keeps a user's caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return caches if caches.is_absolute() else Path.home() / ".cache"
