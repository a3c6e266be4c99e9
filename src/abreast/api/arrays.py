"""Data that were given in Python, as named arrays: pairs, data sets of torch, a LightningDataModule."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from abreast.api.source_digest import DIGITS, array_parts
from abreast.data.arrays import Array, is_one_hot
from abreast.errors import AbreastError, ConfigError, DataError, class_and_line
from abreast.runtime.half import to_float32

FORMS = "(X, y), a dictionary of such pairs (train, val, test), a torch Dataset or a LightningDataModule"
PARTS = ("train", "val", "test")
ROWS = 1024  # of a data set, read at once


def named_arrays(data: Any) -> dict[str, Array]:
    """The arrays of data, as `x` and `y`, or `x_train`, `y_train` and so on.

    Args:
        data: A pair of inputs `[N, ...]` and targets (arrays, tensors, lists, data frames); a mapping of such
            pairs; a data set of pairs; a LightningDataModule, whose loaders' data sets are read once.

    Raises:
        ConfigError: The data are of another kind.
        DataError: A part of it is broken or missing.
    """
    if isinstance(data, type) and issubclass(data, LightningDataModule):
        data = _made(data)
    if isinstance(data, LightningDataModule):
        return _of_parts(_loaded(data))
    if isinstance(data, Mapping):
        unknown = [str(name) for name in data if name not in PARTS]
        if unknown or "train" not in data:
            raise ConfigError(
                f"data: the parts are {', '.join(map(str, data))}; allowed are train, val, test"
            )
        return _of_parts(data)
    inputs, targets = _pair(data)
    return {"x": inputs, "y": targets}


def data_name(arrays: Mapping[str, Array]) -> str:
    """The name of arrays, with a digest of their values: `arrays-100x5-0123456789`."""
    content = hashlib.sha256()
    for name, array in arrays.items():
        content.update(name.encode())
        for part in array_parts(array):
            content.update(part)
    first = next(iter(arrays.values()))
    return f"arrays-{'x'.join(map(str, first.shape))}-{content.hexdigest()[:DIGITS]}"


def task_of(arrays: Mapping[str, Array]) -> str:
    """Floating-point targets are a regression's.

    Raises:
        DataError: They are one-hot rows, of which classes can be made.
    """
    targets = arrays.get("y", arrays.get("y_train"))
    assert targets is not None
    if is_one_hot(targets):
        raise DataError("data: targets: are one-hot rows; give a class for each row, as y.argmax(1) does")
    return "regression" if targets.dtype.kind == "f" else "classification"


def _of_parts(parts: Mapping[Any, Any]) -> dict[str, Array]:
    if "test" not in parts:
        raise DataError(
            "data: has no test examples; give them too, or data=(X, y), of which a fifth is tested on"
        )
    arrays = {}
    for name in PARTS:
        if name in parts:
            arrays[f"x_{name}"], arrays[f"y_{name}"] = _pair(parts[name], f"data, {name}")
    return arrays


def _pair(data: Any, name: str = "data") -> tuple[Array, Array]:
    """Inputs and targets."""
    if isinstance(data, (Dataset, DataLoader)):
        return _of_dataset(data, name)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ConfigError(f"{name}: is a {type(data).__name__}; give {FORMS}")
    inputs, targets = _array(data[0], f"{name}: inputs"), _array(data[1], f"{name}: targets")
    if inputs.ndim == 0 or targets.ndim == 0 or len(inputs) != len(targets):
        raise DataError(
            f"{name}: inputs of shape {list(inputs.shape)}, targets of shape {list(targets.shape)}; they "
            "need as many rows"
        )
    return inputs, targets


def _array(values: Any, name: str) -> Array:
    """Values as an array, with the type that torch or pandas gives them."""
    if isinstance(values, Tensor):
        values = to_float32(values.detach().cpu().to_dense())
    if hasattr(values, "toarray"):  # SciPy's sparse matrices
        values = values.toarray()
    if np.ma.is_masked(values):
        if values.dtype.kind != "f":
            raise DataError(f"{name}: have masked values; fill them in, or give floating-point numbers")
        values = values.filled(np.nan)
    array: Array = np.asarray(values)
    if array.dtype.kind == "O" and array.size:
        kinds = [kind for kind in (str, Real) if all(isinstance(item, kind) for item in array.flat)]
        array = np.asarray(array.tolist()) if kinds else array
    if array.dtype.kind not in "biufU":
        columns = zip(getattr(values, "columns", ()), array.T, strict=False)  # two may have one name
        texts = [name for name, column in columns if not all(isinstance(item, Real) for item in column)]
        if texts:
            raise DataError(
                f"{name}: the columns {', '.join(map(str, texts))} hold no numbers. data=table encodes "
                "categories: write the frame and its target to a file (to_csv), or use pandas.get_dummies"
            )
        raise DataError(f"{name}: hold {array.dtype}; numbers are needed (texts can be classes)")
    return array


def _of_dataset(data: Dataset[Any] | DataLoader[Any], name: str) -> tuple[Array, Array]:
    loader = data if isinstance(data, DataLoader) else DataLoader(data, batch_size=ROWS)
    if not isinstance(loader.dataset, IterableDataset):  # in the order of the data set
        loader = DataLoader(loader.dataset, batch_size=ROWS, collate_fn=loader.collate_fn)
    pairs = []
    try:
        for batch in loader:
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise DataError(f"{name}: an item of the data set is not a pair of inputs and a target")
            pairs.append([torch.as_tensor(part) for part in batch])
        if not pairs:
            raise DataError(f"{name}: the data set is empty")
        inputs, targets = (torch.cat([pair[side] for pair in pairs]) for side in (0, 1))
    except AbreastError:
        raise
    except Exception as error:  # its own methods may raise anything
        raise DataError(
            f"{name}: the data set cannot be read ({class_and_line(error)}); each item has to be a "
            "tensor of one shape, as torchvision's ToTensor makes it of an image, and a class or numbers"
        ) from error
    return _array(inputs, name), _array(targets, name)


def _made(kind: type[LightningDataModule]) -> LightningDataModule:
    """A LightningDataModule of its class, where that needs no arguments."""
    try:
        return kind()
    except TypeError as error:
        raise ConfigError(f"data: {error}; give an object: data={kind.__name__}(...)") from error


def _loaded(module: LightningDataModule) -> dict[str, DataLoader[Any]]:
    """The loaders of a LightningDataModule, by the part that they are of."""
    module.prepare_data()
    module.setup("fit")
    module.setup("test")
    return dict(_loaders(module))


def _loaders(module: LightningDataModule) -> Iterator[tuple[str, DataLoader[Any]]]:
    for part in PARTS:
        try:
            loaders = getattr(module, f"{part}_dataloader")()
        except (MisconfigurationException, NotImplementedError):
            continue
        if isinstance(loaders, (list, tuple)) and len(loaders) == 1:
            loaders = loaders[0]
        if isinstance(loaders, DataLoader):
            yield part, loaders
        elif loaders:
            raise ConfigError(
                f"data: {type(module).__name__}.{part}_dataloader gives {type(loaders).__name__}; a "
                "DataLoader is needed"
            )
