"""Images in a folder for each class."""

from __future__ import annotations

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

LEFT_OUT = ("thumbs.db", "desktop.ini")  # what file managers leave behind
GREY = ("1", "L", "I;16", "I;16B", "LA")


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
    classes = _files(root / "train" if _has_test(root) else root)
    if len(classes) < 2:
        raise DataError(
            f"{root}: has the classes {listed(classes) or '(none)'}; at least two folders are needed"
        )
    return classes


def _has_test(root: Path) -> bool:
    return (root / "train").is_dir() and (root / "test").is_dir()


def _files(root: Path) -> dict[str, list[Path]]:
    """The files of each class, in the order of their names."""
    classes: dict[str, list[Path]] = {}
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
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
