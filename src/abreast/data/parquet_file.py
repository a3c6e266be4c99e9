"""Parquet tables, by pyarrow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from abreast.data.csv_file import MOST_BYTES, RawTable
from abreast.errors import ConfigError, DataError, first_line

MAGIC = b"PAR1"
ROWS = 1024  # that are read at a time
BYTES = 64  # of a value as text


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(4) == MAGIC
    except OSError:
        return False


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet table, whose values become the texts that a CSV file would have.

    Raises:
        ConfigError: pyarrow is not installed.
        DataError: The file is broken, or a column holds lists or other nested values.
    """
    try:
        from pyarrow import ArrowException, types
    except ImportError:
        raise ConfigError(
            f"{path}: Parquet requires pyarrow: pip install 'abreast[tables]', or use CSV"
        ) from None
    try:
        table = _read(path)
    except (ArrowException, OSError, MemoryError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: is not a Parquet file that can be read ({reason}).") from None
    for field in table.schema:
        if types.is_nested(field.type) or types.is_binary(field.type):
            raise DataError(f"{path}, column {field.name!r}: holds {field.type}, not numbers or texts.")
    if not table.num_rows or not table.num_columns:
        raise DataError(f"{path}: holds no row. Give a table with data.")
    names = tuple(str(name) for name in table.column_names)
    if len({*names}) < len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise DataError(f"{path}: two columns are called {twice!r}. Give each a name of its own.")
    values = [list(_texts(column.to_pylist())) for column in table.columns]
    names = tuple("" if name == "__index_level_0__" else name for name in names)  # pandas' index
    return RawTable(path, names, values, range(1, table.num_rows + 1))


def _read(path: Path) -> Any:
    """The table, of limited size: a file of a few bytes may stand for any number of rows."""
    from pyarrow import Table, parquet

    file = parquet.ParquetFile(path)
    cells, size, batches = file.metadata.num_rows * max(1, file.metadata.num_columns), 0, []
    for batch in file.iter_batches(batch_size=ROWS):
        size += batch.nbytes
        if max(size, cells * BYTES) > MOST_BYTES:
            raise DataError(
                f"{path}: is larger than {MOST_BYTES >> 30} GiB of text, which is not read into memory."
            )
        batches.append(batch)
    return Table.from_batches(batches, file.schema_arrow)


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if value is None or value != value:  # NaN
            yield ""
        elif isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            yield str(int(value))
        else:
            yield str(value).strip()
