"""Arrays of NumPy's .npz files."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Gt, Lt
from torch import Tensor

from abreast.data.columns import Column, numbers
from abreast.data.drawn_source import drawn_source
from abreast.data.files import expand
from abreast.data.float32 import float32
from abreast.data.look_alikes import warn_of_look_alikes
from abreast.data.source import Source, Split
from abreast.data.split import stratified_split
from abreast.errors import DataError, first_line
from abreast.suggestions import listed

INPUTS = ("x", "X", "inputs", "images", "data", "features")
TARGETS = ("y", "Y", "targets", "labels", "target", "label")
MOST_RATIO = 200  # of the unpacked size to the file's, beyond a gibibyte
MOST_CLASSES = 1 << 16
PLAIN = "texts as y.astype(str), numbers as x.astype(float)"
AS_NUMBERS = "for numbers as targets write data.task=regression loss=mse"

BROKEN = (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, NotImplementedError)

Array = np.ndarray[Any, np.dtype[Any]]

log = logging.getLogger(__name__)


def npz(
    file: str | Path,
    test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.2,
    task: Literal["classification", "regression"] = "classification",
) -> Source:
    """Arrays `x_train`, `y_train`, `x_test`, `y_test`, or `x` and `y`, of which some rows are tested on.

    uint8 arrays `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]` with 1, 3 or 4 channels are images; numbers
    `[N, F]` are columns, each standardised, with NaN for missing values; other shapes become float32. Also
    known are `train_images`, `train_labels` and the like.

    Args:
        file: The .npz file.
        test_fraction: Share of the rows to test on, where the file has no test arrays.
        task: Whether targets are classes (whole numbers or texts, `[N]`) or numbers (`[N]` or `[N, D]`).

    Raises:
        DataError: The file is broken, an array is missing, or a value is wrong; the message names it.
    """
    path = expand(file)
    return source_of_arrays(str(path), _read(path), test_fraction, task, validates=False)


def source_of_arrays(
    path: str,
    arrays: Mapping[str, Array],
    test_fraction: float,
    task: Literal["classification", "regression"],
    *,
    validates: bool = True,
) -> Source:
    """A source of arrays by name, as of `npz`.

    Args:
        path: What the arrays are called in messages.
        arrays: The arrays.
        test_fraction: Share of the rows to test on, where there are no test arrays.
        task: Whether targets are classes or numbers.
        validates: Whether `x_val` and `y_val` are the rows to validate on; else these are left out.

    Raises:
        DataError: An array is missing, or a value is wrong; the message names it.
    """
    train = _pair(path, arrays, "train")
    test = _pair(path, arrays, "test") if train is not None else None
    val = _pair(path, arrays, "val") if test is not None else None
    if val is not None and not validates:
        log.warning("%s: %s is left out; rows to validate on are drawn from training rows", path, val[0][0])
        val = None
    if train is None or test is None:
        train, test = _pair(path, arrays, ""), None
    if train is None:
        raise DataError(
            f"{path}: holds {listed(arrays) or 'no array'}; expected are x_train, y_train, x_test and "
            "y_test, or x and y"
        )
    inputs = _inputs(path, *train[0])
    classes: tuple[str, ...] = ()
    if task == "classification":
        classes, targets = _labels(path, *train[1])
    else:
        targets = _values(path, *train[1])
    columns: tuple[Column, ...] = ()
    if inputs.ndim == 2:
        inputs = inputs.float()
        columns = numbers(f"x{number}" for number in range(inputs.shape[1]))
    if test is not None:

        def split(pair: Pair) -> Split:
            part = _inputs(path, *pair[0])
            labels = _known(path, *pair[1], classes) if classes else _values(path, *pair[1])
            return Split(part.float() if columns else part, labels)

        train_split, official_val = Split(inputs, targets), 0
        if val is not None:
            held_out = split(val)
            official_val = len(held_out)
            train_split = _joined(path, train_split, held_out)
        return Source(train_split, split(test), classes, columns=columns, official_val=official_val)
    if len(inputs) != len(targets):
        raise DataError(f"{path}: {train[0][0]} has {len(inputs)} rows, {train[1][0]} has {len(targets)}")
    rows = stratified_split(targets, test_fraction, seed=0)
    return drawn_source(inputs, targets, rows, classes, columns)


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise DataError(f"{path}: no such file. Name one that exists: data.file=...")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > max(1 << 30, MOST_RATIO * path.stat().st_size):
            raise DataError(f"{path}: would unpack to {unpacked >> 30} GiB, far more than it is; not read")
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (*BROKEN, MemoryError) as error:
        reason = first_line(error)
        if "allow_pickle" in reason:
            reason = f"it holds Python objects, which could run code; save {PLAIN}"
        raise DataError(f"{path}: not an .npz file of plain arrays ({reason})") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of other files
            raise DataError(f"{path}: not an .npz file of plain arrays ({name} is none)")
    return arrays


def _joined(path: str, split: Split, other: Split) -> Split:
    if split.inputs.shape[1:] != other.inputs.shape[1:] or split.inputs.dtype != other.inputs.dtype:
        shapes = [f"{part.inputs.dtype} {list(part.inputs.shape[1:])}" for part in (split, other)]
        raise DataError(f"{path}: training rows are {shapes[0]}, validation rows {shapes[1]}")
    return Split(
        torch.cat([split.inputs, other.inputs]),
        torch.cat([split.targets, other.targets]),
    )


Pair = tuple[tuple[str, Array], tuple[str, Array]]


def _pair(path: str, arrays: Mapping[str, Array], part: str) -> Pair | None:
    pair = []
    for names in (INPUTS, TARGETS):
        forms = [
            form for n in names for form in ((f"{n}_{part}", f"{part}_{n}", f"{n}{part}") if part else (n,))
        ]
        present = [form for form in forms if form in arrays]
        if not present:
            return None
        pair.append((present[0], arrays[present[0]]))
    return pair[0], pair[1]


def _inputs(path: str, name: str, array: Array) -> Tensor:
    if array.dtype.kind not in "biuf" or not array.size or not array.ndim:
        raise DataError(f"{path}: {name} holds {array.dtype} of shape {list(array.shape)}, expected numbers")
    if array.ndim == 1:
        array = array[:, None]
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.ndim == 3 and array.dtype == np.uint8:
        array = array[:, None]
    if array.ndim == 4 and array.shape[1] not in (1, 3, 4) and array.shape[3] in (1, 3, 4):
        array = array.transpose(0, 3, 1, 2)
    if array.dtype != np.uint8:
        array = float32(path, name, array)
    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    return torch.from_numpy(native.copy())


def _labels(path: str, name: str, array: Array) -> tuple[tuple[str, ...], Tensor]:
    labels = _flat(path, name, array)
    values, indices = np.unique(labels, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"{path}: {name} has only the class {values[0]}; a classification needs two or more")
    if len(values) > min(MOST_CLASSES, max(20, len(labels) // 2)):
        raise DataError(
            f"{path}: {name} has {len(values)} different values in {len(labels)} rows: {AS_NUMBERS}"
        )
    if labels.dtype.kind == "U":
        warn_of_look_alikes(f"{path}, {name}", "classes", values.tolist(), labels.tolist())
    return tuple(map(str, values)), torch.from_numpy(indices.astype(np.int64))


def _known(path: str, name: str, array: Array, classes: tuple[str, ...]) -> Tensor:
    index = {label: number for number, label in enumerate(classes)}
    indices = []
    for row, label in enumerate(map(str, _flat(path, name, array))):
        if label not in index:
            raise DataError(
                f"{path}, row {row} of {name}: {label!r} is not one of the training classes: "
                f"{listed(classes[:20])}"
            )
        indices.append(index[label])
    return torch.tensor(indices, dtype=torch.int64)


def _flat(path: str, name: str, array: Array) -> Array:
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "backslashreplace")
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "biufU":
        fix = f". Of one-hot rows these are {name}.argmax(1)" if is_one_hot(array) else ""
        raise DataError(
            f"{path}: {name} holds {array.dtype} of shape {list(array.shape)}, expected a class for "
            f"each row, [N]{fix}"
        )
    if labels.dtype.kind == "f":
        wrong = np.flatnonzero(~(np.abs(labels) < 2**53) | (labels != np.floor(labels)))
        if len(wrong):
            raise DataError(
                f"{path}, row {wrong[0]} of {name}: {labels[wrong[0]]} is not a class; {AS_NUMBERS}"
            )
        labels = labels.astype(np.int64)
    return labels


def is_one_hot(array: Array) -> bool:
    """Whether each row is 1 in one of several columns, and 0 in the others."""
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf" or not array.size:
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all())


def _values(path: str, name: str, array: Array) -> Tensor:
    values = array[:, None] if array.ndim == 1 else array
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: {name} holds {array.dtype} of shape {list(array.shape)}, expected numbers, "
            "[N] or [N, D]"
        )
    return torch.from_numpy(float32(path, name, values))
