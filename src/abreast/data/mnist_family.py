"""MNIST-style data sets, and custom IDX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from abreast.data.files import expand, obtain
from abreast.data.idx_format import read_idx
from abreast.data.source import Source, Split
from abreast.errors import ConfigError, DataError

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

_AGAIN = "Delete it and run again to download it, or put a good copy there."
_COPY = "Put a good copy there."

# Labels of each class in MNIST's 60,000 training examples. Fashion-MNIST and KMNIST have 6,000 of each.
_MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]

_MOST_CLASSES = 1 << 16  # more are not inferred: it would be the names of one corrupt label


def mnist(dir: str | Path = "data", mirrors: str | Sequence[str] | None = None) -> Source:
    """Handwritten digits: 60,000 + 10,000 images, uint8 `[N, 1, 28, 28]`, 10 classes.

    Source: LeCun, Bottou, Bengio & Haffner 1998, doi 10.1109/5.726791.

    Args:
        dir: Where the files are, or are downloaded to (see `abreast.data.files.obtain`).
        mirrors: Base URLs to download from, in place of torchvision's.

    Raises:
        DataError: The files are not there and cannot be downloaded, or are those of another data set.
    """
    return _family("MNIST", _DIGITS, dir, mirrors)


def fashion_mnist(dir: str | Path = "data", mirrors: str | Sequence[str] | None = None) -> Source:
    """Clothes: 60,000 + 10,000 images, uint8 `[N, 1, 28, 28]`, 10 classes.

    Arguments and errors as for `mnist`. Source: Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747.
    """
    return _family("FashionMNIST", _CLOTHES, dir, mirrors)


def kmnist(dir: str | Path = "data", mirrors: str | Sequence[str] | None = None) -> Source:
    """Cursive Japanese characters: 60,000 + 10,000 images, uint8 `[N, 1, 28, 28]`, 10 classes.

    Arguments and errors as for `mnist`. Source: Clanuwat et al. 2018, arXiv 1812.01718.
    """
    return _family("KMNIST", _KANA, dir, mirrors)


def idx(
    train_images: str | Path,
    train_labels: str | Path,
    test_images: str | Path,
    test_labels: str | Path,
    classes: Annotated[int, Ge(1)] | Sequence[str] | None = None,
    ignore_index: int | None = None,
) -> Source:
    """Classes from any four IDX files, raw or gzip; paths are relative to the working directory.

    Images `[N, H, W]` become `[N, 1, H, W]`, `[N, H, W, C]` become `[N, C, H, W]`; features `[N, F]` stay.
    uint8 stays, every other type becomes float32. Labels: whole numbers, `[N]`.

    Args:
        train_images: The file of the training inputs.
        train_labels: Of their labels.
        test_images: Of the test inputs.
        test_labels: Of their labels.
        classes: How many, or their names; None: the highest label of both splits + 1.
        ignore_index: A label outside the classes that marks rows without one.

    Raises:
        DataError: A file is broken, or its content does not fit the others'.
        ConfigError: `classes` is neither a number nor a list of names.
    """
    train = _split(expand(train_images), expand(train_labels), _COPY)
    test = _split(expand(test_images), expand(test_labels), _COPY)
    return Source(train, test, _names(classes, (train.targets, test.targets), ignore_index), {}, ignore_index)


def _family(
    name: str, classes: tuple[str, ...], folder: str | Path, mirrors: str | Sequence[str] | None
) -> Source:
    files = obtain(name, folder, mirrors)
    train, test = _split(files[0], files[1], _AGAIN), _split(files[2], files[3], _AGAIN)
    for path, split in ((files[0], train), (files[2], test)):
        if split.inputs.shape[1:] != (1, 28, 28) or split.inputs.dtype != torch.uint8:
            raise DataError(
                f"{path}: rows are {split.inputs.dtype} of shape {list(split.inputs.shape[1:])}, "
                f"but {name} has uint8 images of 28 x 28. {_AGAIN} For custom files use data=idx"
            )
    source = Source(train, test, classes)
    _check_identity(name, files[1], train.targets)
    return source


def _check_identity(name: str, path: Path, labels: Tensor) -> None:
    """Compare the labels with those of the data set: all MNIST-style data sets have the same file names."""
    counts = labels.bincount(minlength=10).tolist()
    is_mnist, is_other = counts == _MNIST_COUNTS, counts == [6000] * 10
    if is_other if name == "MNIST" else is_mnist:
        looks = "MNIST" if is_mnist else "Fashion-MNIST or KMNIST"
        raise DataError(
            f"{path}: asked for {name}, but the labels count as those of {looks} do: {counts}. "
            f"Keep each data set in a separate folder, or name the right one: data.dir=FOLDER"
        )


def _split(images: Path, labels: Path, mend: str) -> Split:
    inputs, targets = read_idx(images, mend), read_idx(labels, mend)
    if targets.ndim != 1 or targets.is_floating_point():
        raise DataError(
            f"{labels}: labels are {targets.dtype} of shape {list(targets.shape)}, expected whole numbers of "
            "shape [N]. Is it the file of the images?"
        )
    if not 2 <= inputs.ndim <= 4:
        raise DataError(
            f"{images}: images are of shape {list(inputs.shape)}, expected [N, H, W], [N, H, W, C], or "
            "features [N, F]. Is it the file of the labels?"
        )
    if len(inputs) != len(targets):
        raise DataError(
            f"{images} has {len(inputs)} images but {labels} has {len(targets)} labels: put two files of one "
            "split there."
        )
    if inputs.ndim == 3:
        inputs = inputs.unsqueeze(1)
    elif inputs.ndim == 4:
        inputs = inputs.permute(0, 3, 1, 2).contiguous()
    if inputs.dtype != torch.uint8:
        inputs = inputs.float()
    return Split(inputs, targets.long())


def _names(
    classes: int | Sequence[str] | None, labels: tuple[Tensor, ...], ignore_index: int | None
) -> tuple[str, ...]:
    if classes is None:
        used = torch.cat([part if ignore_index is None else part[part != ignore_index] for part in labels])
        highest = int(used.max()) if len(used) else 0
        if highest >= _MOST_CLASSES:
            raise DataError(
                f"The highest label is {highest}: correct the labels, or give the number of classes."
            )
        classes = max(highest, 0) + 1  # labels below 0 are for the check of Source to name
        unused = classes - len(torch.unique(used[used >= 0])) if highest >= 0 else 0
        if unused:
            raise DataError(
                f"The labels go up to {highest}, but {unused} of the {classes} classes have no row. Give the "
                "number of classes (data.classes=...), or name the label that marks rows without a class "
                "(data.ignore_index=... and loss.criterion.ignore_index=...)."
            )
    if isinstance(classes, int) and not isinstance(classes, bool) and classes > 0:
        return tuple(map(str, range(classes)))
    if isinstance(classes, (bool, int, float, str)) or not len(classes):
        raise ConfigError(
            f"{classes=!r} must be null, the number of classes (1 or more), or a list of their names."
        )
    return tuple(map(str, classes))
