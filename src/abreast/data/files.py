"""The four files of an MNIST-like data set: found on the disk, or downloaded once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from abreast.data.download import download
from abreast.errors import ConfigError, DataError, RunError
from abreast.runtime.directory_lock import locked
from abreast.runtime.downloads import are_allowed

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

log = logging.getLogger(__name__)

LOCK_SECONDS = 1800  # another process may be downloading over a slow line


def expand(path: str | Path) -> Path:
    """A path from the configuration, `~` expanded, absolute. Raises ConfigError."""
    if not isinstance(path, (str, Path)):
        raise ConfigError(f"{path!r} is not a path: give the name of a file or folder.")
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"The path {str(path)!r} cannot be expanded: {error}") from error


def obtain(name: str, folder: str | Path, mirrors: str | Sequence[str] | None = None) -> list[Path]:
    """Paths of the four files of the data set `name`, in the order of `NAMES`.

    Files on the disk are used as they are: all four, raw or .gz, in `folder/name/raw` (torchvision's layout),
    `folder/raw` or `folder`. Otherwise what is missing in `folder/name/raw` is downloaded there, as .gz.

    Args:
        name: torchvision's class, which knows the mirrors and checksums.
        folder: Where the files are, or are downloaded to.
        mirrors: Base URLs to use instead of torchvision's.

    Raises:
        DataError: The files are neither there nor can they be downloaded.
    """
    root = expand(folder)
    home = root / name / "raw"
    try:
        files = _find(root, name)
        if files is not None:
            return files
        if not are_allowed():
            lines = [
                f"{name} is not on this machine. Opening a run directory downloads nothing; training does.",
                *_looked_in(root, name),
                _by_hand(home),
            ]
            raise DataError("\n".join(lines))
        return _download(root, name, mirrors)
    except OSError as error:
        reason = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
        raise DataError(f"Cannot use {home} for {name}: {reason}. {_by_hand(home)}") from error


def _find(root: Path, name: str) -> list[Path] | None:
    # All four from one folder: images of one data set beside labels of another would go unnoticed.
    for folder in _folders(root, name):
        paths = [path for path in map(_variant, [folder] * 4, NAMES) if path]
        if len(paths) == len(NAMES):
            return paths
    return None


def _folders(root: Path, name: str) -> tuple[Path, ...]:
    return root / name / "raw", root / "raw", root


def _variant(folder: Path, name: str) -> Path | None:
    """The file under the names it is known by: torchvision's, or unpacked with a dot; raw before .gz."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    return None


def _download(root: Path, name: str, mirrors: str | Sequence[str] | None) -> list[Path]:
    home = root / name / "raw"
    home.mkdir(parents=True, exist_ok=True)
    try:
        with locked(home, LOCK_SECONDS):
            paths = _find(root, name)  # another process may have been faster
            if paths is None:
                _fetch_missing(root, name, mirrors)
                paths = _find(root, name)
    except RunError as error:
        raise DataError(f"Cannot lock {home} to download {name}: {error} {_by_hand(home)}") from error
    assert paths is not None
    return paths


def _fetch_missing(root: Path, name: str, mirrors: str | Sequence[str] | None) -> None:
    home = root / name / "raw"
    known, checksums = _torchvision(name)
    bases = (
        known if mirrors is None else [mirrors] if isinstance(mirrors, str) else [str(url) for url in mirrors]
    )
    missing = [file for file in NAMES if _variant(home, file) is None]
    log.info("%s: downloading %d files into %s", name, len(missing), home)
    try:
        for file in missing:
            download(f"{file}.gz", checksums[f"{file}.gz"], bases, home / f"{file}.gz")
    except DataError as error:
        lines = [
            f"{name} is not on this machine and cannot be downloaded.",
            *_looked_in(root, name),
            str(error),
            _by_hand(home),
        ]
        raise DataError("\n".join(lines)) from error


def _looked_in(root: Path, name: str) -> list[str]:
    folders = [f"  {folder}: {_lacks(folder)}" for folder in _folders(root, name)]
    return ["Looked for its four files in:", *folders]


def _lacks(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    missing = [file for file in NAMES if _variant(folder, file) is None]
    return "none of them" if len(missing) == len(NAMES) else "no " + ", ".join(missing)


def _by_hand(home: Path) -> str:
    return f"Put the four files, raw or .gz, into {home}, or name the folder that has them: data.dir=FOLDER"


def _torchvision(name: str) -> tuple[list[str], dict[str, str]]:
    """Mirrors and md5 checksums (of the .gz files), as torchvision has them."""
    from torchvision import datasets  # seconds to import, and not needed where the files are there

    known = getattr(datasets, name)
    return list(known.mirrors), dict(known.resources)
