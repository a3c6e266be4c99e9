"""Text tables: CSV, TSV and their relatives, plain or gzip, as they come from spreadsheets and archives."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from abreast.errors import DataError

DELIMITERS = (",", ";", "\t", "|")
MOST_BYTES = 1 << 33  # of text, in memory
_GZIP_MAGIC = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(r'"?sep=(.)"?[,;\t|]*\r?\n')
_MARKUP = re.compile(r"\s*(<(!doctype|!--|html|head|body|table|\?xml)|\{\s*\"|\[\s*[\[{])", re.IGNORECASE)
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"%PDF": "a PDF",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ\0": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"SQLite format 3\0": "a database",
}


@dataclass(frozen=True)
class RawTable:
    """A table as it was read: texts, in columns.

    Attributes:
        path: The file, for messages.
        names: The columns' names.
        values: The texts of each column, without blanks around them.
        rows: The number of each row in the file, counted as a spreadsheet does.
    """

    path: Path
    names: tuple[str, ...]
    values: Sequence[Sequence[str]]
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Sequence[str]:
        """The texts of a column."""
        return self.values[self.names.index(name)]

    def at(self, position: int, name: str) -> str:
        """Where a value is: the beginning of a message."""
        return f"{self.path}, row {self.rows[position]}, column {name!r}"


def read_csv(
    path: Path, *, delimiter: str | None = None, encoding: str | None = None, header: bool = True
) -> RawTable:
    """Read a text table.

    Args:
        path: The file, plain or gzip (told by its content).
        delimiter: What separates values; None to find out: comma, semicolon, tab or bar.
        encoding: Of the text; None for UTF-8 and what a byte order mark says.
        header: Whether the first row has the names; else these are the columns' numbers, from 1.

    Raises:
        DataError: The file is missing, unreadable, or not a table; the message names the row.
    """
    text = _decoded(path, _content(path), encoding)
    declared = _DECLARED.match(text)  # by Excel, in a line above the header
    separator = delimiter or (declared[1] if declared else _delimiter(text))
    names: tuple[str, ...] = ()
    rows: list[list[str]] = []
    numbers: list[int] = []
    is_unnamed = False  # the names of the rows, which R makes all different
    for number, row in _records(path, text, separator):
        if not any(row) or (declared and number == 1):
            continue
        if not names:
            names = _header(path, number, row) if header else tuple(map(str, range(1, len(row) + 1)))
            if header:
                continue
        if len(row) == len(names) + 1 and not rows and header:
            # A separator ends each row, or R has left out the name of its row names.
            is_unnamed = bool(row[-1])
            names = ("", *names) if is_unnamed else (*names, "")
        if len(row) != len(names):
            raise DataError(f"{path}, row {number}: {_misfit(row, names, separator)}")
        rows.append(row)
        numbers.append(number)
    if not rows:
        raise DataError(
            f"{path}: holds no row{' below its header' if names else ''}. Give a table with data."
        )
    columns = [(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)]
    if names[0] == "" and len({*columns[0][1]}) < len(rows) and is_unnamed:
        raise DataError(f"{path}, row {numbers[0]}: {_misfit(rows[0], names[1:], separator)}")
    columns = [(name, values) for name, values in columns if name or any(values)]
    names = tuple(name for name, _ in columns)
    if names.count("") > 1:
        raise DataError(f"{path}: {names.count('')} columns have no name. Name them in the first row.")
    return RawTable(path, names, [values for _, values in columns], numbers)


def _misfit(row: Sequence[str], names: Sequence[str], separator: str) -> str:
    """Why a row of another length than the header may be so."""
    if len(names) == 1:
        return (
            f"has {len(row)} values, but the first row has one, {names[0][:60]!r}. Remove what is above the "
            "columns' names, or name the delimiter (data.delimiter=...)"
        )
    return (
        f"has {len(row)} values, but there are {len(names)} columns. Is a value with {separator!r} not in "
        "quotes, or the delimiter another one (data.delimiter=...)?"
    )


def _content(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device would block or never end
            raise DataError(f"{path}: is a folder or a device. Name a file: data.file=...")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
        if content.startswith(_GZIP_MAGIC):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as unzipped:
                content = unzipped.read(MOST_BYTES)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Name one that exists: data.file=...") from None
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DataError(f"{path}: cannot be read ({error or type(error).__name__}).") from None
    if len(content) >= MOST_BYTES:
        raise DataError(
            f"{path}: is larger than {MOST_BYTES >> 30} GiB of text, which is not read into memory."
        )
    for magic, what in _FOREIGN.items():
        if content.startswith(magic):
            raise DataError(f"{path}: is {what}. Save the table as CSV or Parquet.")
    return content


def _decoded(path: Path, content: bytes, encoding: str | None) -> str:
    marked = next((name for bom, name in _BOMS if content.startswith(bom)), None)
    try:
        text = content.decode(marked or encoding or "utf-8")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, row {row}: byte {content[error.start : error.start + 1].hex()} is not "
            f"{error.encoding}. "
            "Name the file's encoding: data.encoding=latin-1, or cp1252, ..."
        ) from None
    except (LookupError, ValueError):  # codecs that are no encodings raise others
        raise DataError(
            f"data.encoding={encoding!r}: is unknown; usual ones are utf-8, latin-1, cp1252"
        ) from None
    text = text.lstrip("\ufeff")
    if _MARKUP.match(text):
        raise DataError(f"{path}: is HTML, XML or JSON, not a table. Save the table as CSV or Parquet.")
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        hint = " If it is UTF-16 without a mark: data.encoding=utf-16-le, or utf-16-be" if row == 1 else ""
        raise DataError(f"{path}, row {row}: is not text.{hint}")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that divides the first rows into the most columns, as many in each."""
    lines = list(_lines(text, 20))
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            widths = [
                len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row
            ]
        except csv.Error:
            continue
        width = min(widths, default=0)
        if width > most and max(widths[1:] or widths) - width <= 1:
            best, most = delimiter, width
    return best


def _lines(text: str, count: int) -> Iterator[str]:
    stream = io.StringIO(text, newline="")
    for _, line in zip(range(count), stream, strict=False):
        yield line


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
        )
    except TypeError:
        raise DataError(f"data.delimiter={delimiter!r}: must be one character, such as ';'") from None
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            yield number, [value.strip() for value in row]
    except csv.Error as error:
        raise DataError(f"{path}, row {number + 1}: is not a row of a table ({error}).") from None


def _header(path: Path, number: int, names: Sequence[str]) -> tuple[str, ...]:
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise DataError(
                f"{path}, row {number}: columns {names.index(name) + 1} and {position + 1} are both called "
                f"{name!r}. Give each a name of its own, or write data.header=false if this row is data."
            )
    if sum(map(is_number, names)) * 2 > len(names):
        raise DataError(
            f"{path}, row {number}: looks like data, not like names of columns "
            f"({', '.join(names[:4])}, ...). "
            "Add a header, or write data.header=false, and data.target=NUMBER for the target's column from 1."
        )
    return tuple(names)


def is_number(text: str) -> bool:
    """Whether a text is a plain decimal number."""
    try:
        float(text)
    except ValueError:
        return False
    return text.strip("+-")[:1] in "0123456789." and "_" not in text
