"""Where modules are imported from: the working directory last, or, where it may be a stranger's, not at all.

Python puts the working directory or the script's folder first, where a `yaml.py` would stand in for the
library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import abreast

_HOME = Path(abreast.__file__).parents[1]


def put_working_directory_last() -> None:
    """Look for modules in the working directory, for a custom loss, but only after everywhere else.

    The same goes for the folder of the script that was started.
    """
    folders = [str(Path(sys.argv[0]).absolute().parent), str(Path.cwd())]
    entries = [entry for entry in sys.path if not _is_one(entry, folders)]
    used = [folder for folder in folders if any(_is_one(entry, [folder]) for entry in sys.path)]
    sys.path[:] = list(dict.fromkeys([*entries, *used, str(Path.cwd())]))


def leave_out_working_directory(trusted: Sequence[str] = ()) -> None:
    """Import nothing from the working directory.

    Args:
        trusted: Modules or packages that the user trusts by name: these are looked for there, too, if they
            are found nowhere else.
    """
    here = str(Path.cwd())
    sys.path[:] = [entry for entry in sys.path if not _is_one(entry, [here])]
    names = {name.partition(".")[0] for name in trusted if os.sep not in name}
    if names:
        sys.meta_path.append(_TrustedFinder(here, names))


def _is_one(entry: str, folders: Sequence[str]) -> bool:
    """Whether an entry of `sys.path` is one of the folders, and not where abreast is installed."""
    path = Path(entry or os.curdir).absolute()
    return path != _HOME and any(str(path) == folder or _same(path, folder) for folder in folders)


def _same(path: Path, folder: str) -> bool:
    try:
        return path.samefile(folder)
    except OSError:
        return False


class _TrustedFinder(MetaPathFinder):
    """Finds some top-level names in one folder."""

    def __init__(self, folder: str, names: set[str]) -> None:
        self._folder, self._names = folder, names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [self._folder]) if fullname in self._names else None
