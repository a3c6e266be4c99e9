"""Numbers of an array as float32, which must be able to tell them apart."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from abreast.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 1e30  # its square, as a deviation has it, is still finite in float64, and its mean in float32
STEPS = 16.0  # float32 values within a deviation, at least


def float32(path: str, name: str, array: Array) -> Array:
    """The numbers as float32. NaN and infinities stay.

    Args:
        path: The file, for messages.
        name: The array's name in it.
        array: Booleans, integers or floats of any size.

    Raises:
        DataError: A number is out of range, or the numbers of a column differ by less than float32 can hold.
    """
    if array.dtype.itemsize > 2 and array.dtype != np.float32:
        with np.errstate(invalid="ignore", over="ignore"):
            values = array.astype(np.float64, copy=False)
            wrong = np.argwhere(np.isfinite(values) & (np.abs(values) >= MOST))
        if len(wrong):
            index = wrong[0].tolist()
            raise DataError(
                f"{path}, row {index[0]} of {name}: {values[tuple(index)]:g} is out of the range of float32. "
                "Rescale it"
            )
        if values.ndim <= 2:
            _check_resolution(path, name, values)
    return array.astype(np.float32)


def _check_resolution(path: str, name: str, values: Array) -> None:
    columns = values.reshape(len(values), -1)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns that are all NaN
        means, stds = np.abs(np.nanmean(columns, 0)), np.nanstd(columns, 0)
    for column in np.flatnonzero(means * 2.0**-23 * STEPS > stds).tolist():
        if np.nanmin(columns[:, column]) < np.nanmax(columns[:, column]):
            raise DataError(
                f"{path}, column {column} of {name}: its numbers differ by {stds[column]:.3g} around "
                f"{means[column]:.3g}, which float32 does not tell apart. Subtract {columns[0, column]:.15g}"
            )
