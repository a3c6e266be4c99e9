"""Tables from CSV, TSV and Parquet files."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from abreast.data.columns import known_columns
from abreast.data.csv_file import RawTable, is_number, read_csv
from abreast.data.drawn_source import drawn_source
from abreast.data.files import expand
from abreast.data.group_split import group_split
from abreast.data.look_alikes import warn_of_look_alikes
from abreast.data.parquet_file import is_parquet, read_parquet
from abreast.data.source import Source, Split
from abreast.data.split import stratified_split
from abreast.data.table_inputs import inputs_of, targets_of
from abreast.data.table_schema import MISSING, Reading, inferred
from abreast.errors import ConfigError, DataError
from abreast.runtime.printable import printable
from abreast.suggestions import did_you_mean, listed

MOST_CLASSES = 1 << 16

log = logging.getLogger(__name__)


def table(
    file: str | Path,
    target: str | int,
    test_file: str | Path | None = None,
    test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.2,
    group: str | int | None = None,
    columns: Sequence[str | int] | None = None,
    drop: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    max_categories: Annotated[int, Ge(1)] = 100,
    missing: Sequence[str | int] | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] = ".",
    encoding: str | None = None,
    header: bool = True,
    task: Literal["classification", "regression"] = "classification",
) -> Source:
    """A table: float32 `[N, F]`, numbers standardised one by one, categories one-hot.

    A missing number becomes the mean of the training rows; a missing category, or one that the training rows
    do not have, none of the categories. What each column holds is found out from all rows of `file`; means
    and deviations are of the training rows alone, and columns without spread in them count as 0.

    Args:
        file: CSV, TSV or the like, plain or gzip, or Parquet.
        target: The column to predict.
        test_file: A table to test on; None to test on rows of `file`.
        test_fraction: Share of these, stratified by class or of whole groups.
        group: A column of which rows of one value are never in two parts; it is no input.
        columns: The columns that are inputs; None for all others.
        drop: Columns that are not.
        categorical: Columns of categories, even where they look like numbers.
        max_categories: The most categories that a column may have.
        missing: Texts that stand for a missing value; None for the usual ones.
        delimiter: What separates the values; None to find out.
        decimal: The decimal sign.
        encoding: Of the text; None for UTF-8, or what a byte order mark says.
        header: Whether the first row names the columns; else they are numbered from 1.
        task: Whether the target is a class or a number.

    Raises:
        ConfigError: An argument does not fit the table.
        DataError: The table is broken; the message names file, row and column.
    """
    reading = Reading(
        MISSING if missing is None else [str(text) for text in missing],
        decimal,
        [str(name) for name in categorical],
        max_categories,
    )
    train = read_table(expand(file), delimiter, encoding, header)
    label, group_name = str(target), None if group is None else str(group)
    names = _input_names(train, label, group_name, columns, drop, reading.categorical)
    classes = _classes(train, label, reading) if task == "classification" else ()
    warn_of_look_alikes(f"{train.path}, column {label!r}", "classes", classes, train.column(label))
    known = known_columns()
    described = known or tuple(inferred(train, name, reading, chosen=columns is not None) for name in names)
    inputs = inputs_of(train, described, reading)
    targets = targets_of(train, label, classes, reading)
    groups = None if group_name is None else _group_numbers(train, group_name)
    if test_file is not None:
        test = read_table(expand(test_file), delimiter, encoding, header)
        _known(test, [label], "data.target")
        part = Split(inputs_of(test, described, reading), targets_of(test, label, classes, reading))
        return Source(Split(inputs, targets), part, classes, columns=described, groups=groups)
    if groups is None:
        _check_counts(train, label, classes, targets)
        rows = stratified_split(targets, test_fraction, seed=0)
    else:
        rows = group_split(groups, test_fraction, 0, targets)
    return drawn_source(inputs, targets, rows, classes, described, groups)


def read_table(
    path: Path, delimiter: str | None = None, encoding: str | None = None, header: bool = True
) -> RawTable:
    """Read a file of any of the formats: Parquet, or text as of `read_csv`, whose arguments these are."""
    if is_parquet(path):
        return read_parquet(path)
    return read_csv(path, delimiter=delimiter, encoding=encoding, header=header)


def _input_names(
    raw: RawTable,
    target: str,
    group: str | None,
    columns: Sequence[str | int] | None,
    drop: Sequence[str | int],
    categorical: Collection[str],
) -> list[str]:
    _known(raw, [target], "data.target")
    _known(raw, [group] if group is not None else [], "data.group")
    _known(raw, map(str, columns or ()), "data.columns")
    _known(raw, map(str, drop), "data.drop")
    _known(raw, categorical, "data.categorical")
    if group == target or (columns is not None and target in map(str, columns)):
        raise ConfigError(f"data.target={target}: cannot be an input or the group, too")
    left_out = {target, group, *map(str, drop), "", "Unnamed: 0"}  # the last two are a data frame's index
    names = list(map(str, columns)) if columns is not None else list(raw.names)
    names = [name for name in names if name not in left_out]
    if not names:
        raise ConfigError(f"{raw.path}: no column is left as an input, of {listed(raw.names)}")
    return names


def _known(raw: RawTable, names: Iterable[str], key: str) -> None:
    for name in names:
        if name not in raw.names:
            near = did_you_mean(name, raw.names)
            columns = listed(raw.names[:20]) + (", ..." if len(raw.names) > 20 else "")
            if len(raw.names) == 1:
                near = ". Is the delimiter another one (data.delimiter=' ')?"
            raise DataError(f"{raw.path}: has no column {name!r} ({key}). It has {columns}{near}")


def _classes(raw: RawTable, target: str, reading: Reading) -> tuple[str, ...]:
    labels = {text for text in raw.column(target) if text not in reading.missing}
    numbers = {text: reading.number(text) for text in labels}
    are_numbers = all(value is not None for value in numbers.values())
    if are_numbers:  # 1 and 1.0 are one class
        labels = _one_for_each_number(raw, target, numbers)
    if len(labels) < 2:
        only = f"only the class {min(labels)!r}" if labels else "no class"
        raise DataError(f"{raw.path}, column {target!r}: has {only}; a classification needs two or more")
    if len(labels) > min(MOST_CLASSES, max(20, len(raw) // (5 if are_numbers else 2))):
        fix = "for numbers as targets write data.task=regression loss=mse"
        raise DataError(
            f"{raw.path}, column {target!r}: has {len(labels)} different values in {len(raw)} rows: "
            f"{fix if are_numbers else 'is it the right column (data.target)?'}"
        )
    return tuple(
        sorted(labels, key=lambda text: (numbers[text] or 0.0, text) if are_numbers else (0.0, text))
    )


def _one_for_each_number(raw: RawTable, target: str, numbers: Mapping[str, float | None]) -> set[str]:
    """The first text of each number; a line names the others."""
    texts_of: dict[float | None, list[str]] = {}
    for text in sorted(numbers):
        texts_of.setdefault(numbers[text], []).append(text)
    same = [" and ".join(map(repr, texts)) for texts in texts_of.values() if len(texts) > 1]
    if same:
        log.warning(
            printable(
                f"{raw.path}, column {target!r}: {listed(same[:5])} are one class, as they are one number"
            )
        )
    return {texts[0] for texts in texts_of.values()}


def _check_counts(raw: RawTable, target: str, classes: tuple[str, ...], targets: Tensor) -> None:
    counts = targets.bincount(minlength=len(classes)).tolist() if classes else []
    numeric = "; for numbers as targets write data.task=regression loss=mse"
    numeric = numeric if all(map(is_number, classes)) else ""
    for number, count in enumerate(counts):
        if count < 2:
            row = int((targets == number).nonzero()[0])
            raise DataError(
                f"{raw.at(row, target)}: the class {classes[number]!r} has this row alone, which "
                "cannot be in the "
                f"training and the test rows. Remove it, or give a test table (data.test_file=...){numeric}"
            )


def _group_numbers(raw: RawTable, name: str) -> Tensor:
    texts = raw.column(name)
    if "" in texts:
        raise DataError(
            f"{raw.at(texts.index(''), name)}: the group is missing. Fill it in, or remove the row"
        )
    index = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return torch.tensor([index[text] for text in texts], dtype=torch.int64)
