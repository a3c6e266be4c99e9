"""The inputs that the rows of a table become, by known columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from abreast.data.columns import Column
from abreast.data.csv_file import MOST_BYTES, RawTable
from abreast.data.table_schema import BOOLEANS, Reading
from abreast.errors import DataError
from abreast.suggestions import did_you_mean

_BOOLEAN = {text: value for pair in BOOLEANS for text, value in pair.items()} | {"1": 1.0, "0": 0.0}


def inputs_of(table: RawTable, columns: Sequence[Column], reading: Reading) -> Tensor:
    """Encode a table: float32 `[N, F]`.

    A number that is missing is NaN, which becomes the training rows' mean; a category that is missing or
    unknown is none of its inputs.

    Raises:
        DataError: A column is missing, or a value is not of its kind; the message names file, row and column.
    """
    for column in columns:
        if column.name not in table.names:
            near = did_you_mean(column.name, table.names)
            raise DataError(f"{table.path}: column {column.name!r} is missing{near}")
    width = sum(column.width for column in columns)
    if len(table) * width * 4 > MOST_BYTES:
        most = max(columns, key=lambda column: column.width)
        raise DataError(
            f"{table.path}: {len(table)} rows of {width} inputs are {len(table) * width >> 28} GiB, which "
            f"is not held in memory. Leave out columns; {most.name!r} has {most.width} inputs"
        )
    parts = [_encoded(table, column, reading) for column in columns]
    return torch.from_numpy(np.concatenate(parts, 1))


def _encoded(table: RawTable, column: Column, reading: Reading) -> np.ndarray[Any, np.dtype[np.float32]]:
    texts = table.column(column.name)
    if column.kind == "category":
        index = {text: number for number, text in enumerate(column.categories)}
        one_hot = np.zeros((len(texts), column.width), np.float32)
        for row, text in enumerate(texts):
            number = index.get(text)
            if number is not None and text not in reading.missing:
                one_hot[row, number] = 1
        return one_hot
    values = np.empty((len(texts), 1), np.float64)
    for row, text in enumerate(texts):
        if text in reading.missing:
            values[row] = math.nan
            continue
        value = _BOOLEAN.get(text.lower()) if column.kind == "boolean" else reading.number(text)
        if value is None or not abs(value) < 1e30:
            raise DataError(f"{table.at(row, column.name)}: {text!r} is not a {column.kind}. Correct it.")
        values[row] = value - column.offset
    return values.astype(np.float32)


def targets_of(table: RawTable, name: str, classes: Sequence[str], reading: Reading) -> Tensor:
    """The targets of a table: class indices `[N]`, or without classes float32 `[N, 1]`.

    Raises:
        DataError: A target is missing, of an unknown class, or not a number; the message names it.
    """
    texts = table.column(name)
    index: dict[str | float | None, int] = {label: number for number, label in enumerate(classes)}
    if classes and None not in (values := [reading.number(label) for label in classes]):
        index |= {value: number for number, value in enumerate(values)}  # 1.0 is the class 1
    targets: list[float] = []
    for row, text in enumerate(texts):
        value = index.get(text, index.get(reading.number(text))) if classes else reading.number(text)
        if value is not None and not abs(value) < 1e30:
            raise DataError(f"{table.at(row, name)}: {text} is out of the range of float32. Rescale it.")
        if value is None or text in reading.missing:
            if text in reading.missing:
                what = "the target is missing. Fill it in, or remove the row"
                if text and classes:
                    what += f"; if {text!r} is a class, say what is missing: data.missing=['']"
            elif classes:
                known = ", ".join(classes[:20])
                what = f"{text!r} is not one of the classes that the training rows have: {known}"
            else:
                what = f"{text!r} is not a number, which the target of a regression must be"
                if "," in text and reading.decimal != ",":
                    what += ". Is the comma decimal (data.decimal=',')?"
            raise DataError(f"{table.at(row, name)}: {what}")
        targets.append(value)
    if classes:
        return torch.tensor(targets, dtype=torch.int64)
    return torch.tensor(targets, dtype=torch.float64).float()[:, None]
