"""Images in a folder for each class."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Lt
from PIL import Image
from torch import Tensor

from abreast.data.drawn_source import drawn_source
from abreast.data.files import expand
from abreast.data.look_alikes import warn_of_look_alikes
from abreast.data.picture import Fit, read_picture
from abreast.data.source import Source, Split
from abreast.data.split import stratified_split
from abreast.errors import DataError
from abreast.suggestions import listed

PART = re.compile(r"(?i)(?<![^\W_])(train|training|val|valid|validation|dev|test|testing)(?![^\W_])")
LEFT_OUT = ("thumbs.db", "desktop.ini")  # what file managers leave behind
GREY = ("1", "L", "I;16", "I;16B", "LA")

log = logging.getLogger(__name__)


def images(
    dir: str | Path,
    size: Annotated[int, Ge(1)] = 32,
    channels: Literal[1, 3] | None = None,
    fit: Fit = "crop",
    background: str | None = None,
    test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.2,
) -> Source:
    """uint8 `[N, C, size, size]`, read once, of the folders `dir/CLASS`; or of `dir/train` and `dir/test`.

    Each image is turned upright, its shorter side is scaled to `size`, and the longer one cropped in the
    middle; with `fit=stretch` both sides are scaled.

    Args:
        dir: The folder. Files of any depth below the folder of a class are its images.
        size: Height and width.
        channels: 1 for grey, 3 for RGB; None for grey if the first image of each class is.
        fit: What to do with images that are not square, crop or stretch.
        background: The colour behind transparent pixels, such as white; None to refuse these.
        test_fraction: Share of the images to test on, stratified, where there is no folder of them.

    Raises:
        DataError: A folder is missing or empty, or a file is not an image; the message names it.
    """
    root, train = expand(dir), class_folders(dir)
    has_test = _has_test(root)
    classes = tuple(train)
    left_out = [part for part in _parts(root) if has_test and part not in ("train", "test")]
    if left_out:
        log.warning("%s: is left out; images to validate on are drawn from train", root / left_out[0])
    warn_of_look_alikes(str(root), "classes", classes)
    first = [files[0] for files in train.values()]
    depth = channels or (1 if all(map(_is_grey, first)) else 3)
    inputs, targets = _read(train, classes, depth, size, fit, background)
    if has_test:
        test = _files(root / "test")
        for name in test:
            if name not in classes:
                raise DataError(f"{root / 'test' / name}: is a class that {root / 'train'} does not have")
        return Source(
            Split(inputs, targets), Split(*_read(test, classes, depth, size, fit, background)), classes
        )
    return drawn_source(inputs, targets, stratified_split(targets, test_fraction, seed=0), classes)


def class_folders(dir: str | Path) -> dict[str, list[Path]]:
    """The training files of each class, of which none is opened. Raises DataError as `images`."""
    root = expand(dir)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Name one with a folder for each class: data.dir=...")
    parts = _parts(root)
    if not _has_test(root) and len(parts) > 1:
        raise DataError(
            f"{root}: has the folders {listed(parts)}, which are parts of the data and not classes. "
            "Call them train and test, or give the one to draw test images from: data.dir=FOLDER"
        )
    classes = _files(root / "train" if _has_test(root) else root)
    if len(classes) < 2:
        raise DataError(
            f"{root}: has the classes {listed(classes) or '(none)'}; at least two folders are needed"
        )
    return classes


def _parts(root: Path) -> list[str]:
    """The folders that hold folders and are called as a part of the data is."""
    return sorted(
        path.name
        for path in root.iterdir()
        if PART.search(path.name) and path.is_dir() and any(inner.is_dir() for inner in path.iterdir())
    )


def _has_test(root: Path) -> bool:
    return (root / "train").is_dir() and (root / "test").is_dir()


def _files(root: Path) -> dict[str, list[Path]]:
    """The files of each class, in the order of their names."""
    classes: dict[str, list[Path]] = {}
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith(".") or folder.name == "__MACOSX":
            continue
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".") and path.name.lower() not in LEFT_OUT
        )
        if not files:
            raise DataError(f"{folder}: holds no image. Fill the class, or remove the folder")
        classes[folder.name] = files
    return classes


def _is_grey(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.mode in GREY
    except Exception:  # Pillow's readers raise anything; reading the file will name it
        return False


def _read(
    files: dict[str, list[Path]],
    classes: Sequence[str],
    channels: int,
    size: int,
    fit: Fit,
    background: str | None,
) -> tuple[Tensor, Tensor]:
    count = sum(map(len, files.values()))
    inputs = torch.empty(count, channels, size, size, dtype=torch.uint8)
    labels: list[int] = []
    for name, paths in files.items():
        for path in paths:
            try:
                picture = read_picture(path, channels, (size, size), fit=fit, background=background)
            except DataError as error:
                raise DataError(str(error).replace("--background ", "data.background=")) from None
            inputs[len(labels)] = torch.from_numpy(picture.copy()).permute(2, 0, 1)
            labels.append(classes.index(name))
    return inputs, torch.tensor(labels, dtype=torch.int64)
