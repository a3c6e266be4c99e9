"""Predictions for the raw rows of a table, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from abreast.data.columns import Column
from abreast.data.csv_file import RawTable, is_number, read_csv
from abreast.data.table_inputs import inputs_of
from abreast.data.table_schema import MISSING, Reading
from abreast.data.tables import read_table
from abreast.errors import DataError
from abreast.inference.predict import predict
from abreast.learner.evaluator import Evaluator
from abreast.report.tables import CsvTable

BATCH = 4096  # rows


def predict_rows(path: Path, learner: Evaluator, data: Mapping[str, Any]) -> CsvTable:
    """Predict for each row of a table that has the columns of the training table, in any order.

    Args:
        path: CSV, TSV or the like, plain or gzip, or Parquet; columns that the network does not take are left
            out. A text table without a header has the network's columns in their order.
        learner: The network, with the columns that it was trained with.
        data: The configuration of the run's data, which says how texts are read.

    Returns:
        A row for each row of the table: its number in the file, the predicted class, and the probability of
        each class; for a regression the predicted values.

    Raises:
        DataError: The table lacks a column, or holds a wrong value; the message names file, row and column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = _read(path, learner.columns, data)
    missing = data.get("missing")
    reading = Reading(MISSING if missing is None else list(map(str, missing)), data.get("decimal") or ".")
    inputs = inputs_of(table, learner.columns, reading)
    outputs = torch.cat([predict(learner, part) for part in torch.split(inputs, BATCH)])
    classes = learner.classes
    if not classes:
        names = (
            ["prediction"] if outputs.shape[1] == 1 else [f"prediction {n}" for n in range(outputs.shape[1])]
        )
        rows = [[row, *values] for row, values in zip(table.rows, outputs.tolist(), strict=True)]
        return CsvTable(["row", *names], rows)
    best = outputs.argmax(1).tolist()
    probabilities = [[f"{value:.7g}" for value in row] for row in outputs.tolist()]
    return CsvTable(
        ["row", "prediction", *(f"probability of {name}" for name in classes)],
        [
            [row, classes[index], *values]
            for row, index, values in zip(table.rows, best, probabilities, strict=True)
        ],
    )


def _read(path: Path, columns: tuple[Column, ...], data: Mapping[str, Any]) -> RawTable:
    options = {key: data.get(key) for key in ("delimiter", "encoding")}
    header = bool(data.get("header", True))
    try:
        return read_table(path, **options, header=header)
    except DataError as error:
        if not header or "looks like data" not in str(error):
            raise
    table = read_csv(path, **options, header=False)
    names = tuple(column.name for column in columns)
    if len(table.names) != len(names) or not all(map(is_number, (texts[0] for texts in table.values))):
        raise DataError(f"{path}: has no header. Name the columns in its first row: {', '.join(names)}")
    return RawTable(table.path, names, table.values, table.rows)
