"""A CSV file as rows by column: its delimiter, its header, and cells as plain numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from abreast.errors import RunError
from abreast.report.readers.foreign_run import as_number
from abreast.runs.small_file import read_text

MOST_ROWS, MOST_COLUMNS = 1_000_000, 2_000
INDEX = ""  # the column that pandas writes without a name
DASHES = "-\u2010\u2013\u2014"  # also those that editors make of a hyphen
MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "nan", "none", "null", "nil", "tbd"))
_DIGITS = re.compile(r"[+-]?\d+([.,]\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_LATEX = re.compile(r"\\text(?:bf|it)\{([^{}]*)\}|\*\*(.*?)\*\*")  # how tables show their best value

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV or TSV file by column; a cell without a value is empty.

    Lines before the header that begin with `#`, headers of two lines (pandas' column levels), decimal commas,
    commas between thousands and percent signs are understood.

    Raises:
        RunError: It is not one, or too large; the message names the file and the line.
    """
    text = read_text(path).removeprefix("\ufeff")
    skipped, text = _without_comments(text)
    head = text[: text.find("\n") + 1] or text
    delimiter = max(",;\t", key=head.count)
    table: list[list[str]] = []
    lines: list[int] = []
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                table.append([cell.strip() for cell in cells])
                lines.append(reader.line_num + skipped)
            if len(table) > MOST_ROWS:
                raise RunError(f"{path}: more than {MOST_ROWS} rows")
    except csv.Error as error:
        raise RunError(f"{path}: not a CSV file ({error})") from None
    columns, heads = _header(table)
    if len(columns) > MOST_COLUMNS or len({*columns}) < len(columns):
        raise RunError(f"{path}: line 1: the columns must have different names, at most {MOST_COLUMNS}")
    for cells, line in zip(table[heads:], lines[heads:], strict=True):
        if len(cells) != len(columns):
            raise RunError(f"{path}: line {line}: {len(cells)} cells in a table of {len(columns)} columns")
    # A table that was put together from several files has the header again.
    rows = [dict(zip(columns, cells, strict=True)) for cells in table[heads:] if cells != columns]
    if not rows:
        raise RunError(f"{path}: holds no rows below its header")
    for column in columns:
        for row, value in zip(rows, _plain([row[column] for row in rows], delimiter), strict=True):
            row[column] = value
    return rows


def _without_comments(text: str) -> tuple[int, str]:
    """How many lines of comments are before the header, and the text from the header on."""
    lines = text.splitlines(keepends=True)
    count = 0
    while count < len(lines) and lines[count].lstrip().startswith(("#", "%")):
        count += 1
    if 0 < count < len(lines):  # NumPy writes the header itself as a comment
        last = lines[count - 1].lstrip().lstrip("#% ")
        delimiter = max(",;\t", key=lines[count].count)
        is_header = lines[count].count(delimiter) == last.count(delimiter) > 0
        if is_header and any(as_number(cell) is not None for cell in lines[count].split(delimiter)):
            return count - 1, "".join([last, *lines[count:]])
    return count, "".join(lines[count:])


def _header(table: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """The names of the columns, and how many lines they take."""
    first = list(table[0]) if table else []
    if len({*first}) == len(first) or len(table) < 3 or len(table[1]) != len(first):
        return first, 1
    columns = ["_".join(filter(None, names)) for names in zip(first, table[1], strict=True)]
    third = table[2]  # where pandas names the levels of the index
    depth = sum(map(bool, third))
    if len(third) == len(first) and 0 < depth < len(first) and all(third[:depth]) and not any(first[:depth]):
        return [name or other for name, other in zip(third, columns, strict=True)], 3
    return columns, 2


def _plain(cells: Sequence[str], delimiter: str) -> list[str]:
    """The cells of a column, its numbers as Python writes them; nothing for missing ones."""
    values = ["" if cell.strip(DASHES).lower() in MISSING else _LATEX.sub(r"\1\2", cell) for cell in cells]
    given = [value for value in values if value]
    if given and all(value.endswith("%") for value in given):
        values = [value.removesuffix("%").rstrip() for value in values]
        given = [value for value in values if value]
    if not any("," in value for value in given):
        return values
    if all(_THOUSANDS.fullmatch(value) or "," not in value for value in given) and delimiter == ",":
        return [value.replace(",", "") for value in values]
    if all(_DIGITS.fullmatch(value) for value in given):  # a decimal comma
        return [value.replace(",", ".") for value in values]
    return values
