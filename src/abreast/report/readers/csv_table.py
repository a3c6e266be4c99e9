"""A table as rows by column: its header, and cells as plain numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from abreast.errors import RunError
from abreast.metrics.registry import lookup
from abreast.report.readers.foreign_run import as_number
from abreast.report.readers.metric_names import is_measured, is_metric, split_stage, usual_name
from abreast.report.readers.table_cells import DELIMITERS, MOST_COLUMNS, Line, table_cells
from abreast.report.readers.table_text import read_table_text

INDEX = ""  # the column that pandas writes without a name
DASHES = "-\u2010\u2013\u2014"  # also those that editors make of a hyphen
LEAST_PERCENT = 1.5  # a number above it beside others with a percent sign is a percentage, too
MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "nan", "none", "null", "nil", "tbd"))
_DIGITS = re.compile(r"[+-]?\d+([.,]\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+")  # between thousands, before a decimal comma
_LISTS = re.compile(r"hidden|layers|units|neurons|channels|filters|sizes|dims|widths|shape", re.IGNORECASE)
_FRACTION = re.compile(r"[+-]?0,")
_LATEX = re.compile(r"\\text(?:bf|it)\{([^{}]*)\}|\*\*(.*?)\*\*")  # how tables show their best value
_UNIT = re.compile(
    r"([+-]?\d[\d.,]*)\s*(ms|s|secs?|seconds|min|minutes|h|hours|us|µs|GB|GiB|MB|MiB|dB|fps|pp)"
)

Row = dict[str, str]


def read_rows(path: Path, metric: str | None = None) -> tuple[list[Row], list[str]]:
    """The rows of a table by column; a cell without a value is empty.

    Lines before the header that begin with `#`, headers of two lines (pandas' column levels), rows with a
    name before the first column (R), decimal commas, commas between thousands, percent signs and units are
    understood.

    Args:
        path: The file.
        metric: A column that is a result, whatever its name.

    Returns:
        The rows, and the notes below the table, which are left out.

    Raises:
        RunError: It is not one, or too large; the message names the file and the line.
    """
    text = read_table_text(path)
    lines, notes = table_cells(text, path, metric)
    columns, heads = _header([cells for _, cells in lines])
    if lines[heads:] and all(len(cells) == len(columns) + 1 for _, cells in lines[heads:]):
        columns = [INDEX, *columns]  # R's names of rows have no header
    if len(columns) > MOST_COLUMNS or len({*columns}) < len(columns):
        raise RunError(f"{path}: line 1: the columns must have different names, at most {MOST_COLUMNS}")
    for line, cells in lines[heads:]:
        if len(cells) != len(columns):
            raise RunError(f"{path}: line {line}: {len(cells)} cells in a table of {len(columns)} columns")
    # A table that was put together from several files has the header again.
    rows = [dict(zip(columns, cells, strict=True)) for _, cells in lines[heads:] if cells != columns]
    if not rows:
        raise RunError(f"{path}: holds no rows below its header")
    delimiter = _delimiter(text, lines)
    has_results = any(column == metric or is_metric(column) for column in columns)
    plain = {column: _plain([row[column] for row in rows]) for column in columns}
    are_results = {column: column == metric or is_metric(column) or is_measured(column) for column in columns}
    has_points = delimiter in ",|" or _has_points(plain[c] for c in columns if are_results[c])
    for column, values in plain.items():
        is_list = (
            has_results and not are_results[column] and (has_points or _LISTS.search(column) is not None)
        )
        for row, value in zip(rows, _without_commas(values, column, delimiter, is_list), strict=True):
            row[column] = value
    return rows, notes


def _delimiter(text: str, lines: Sequence[Line]) -> str:
    """What separates the cells; a comma may be in numbers then, or not."""
    head = next((line for line in text.splitlines() if lines and lines[0][1][-1] in line), "")
    return max(DELIMITERS, key=head.count) if any(mark in head for mark in DELIMITERS) else "|"


def _header(table: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """The names of the columns, and how many lines they take."""
    first = list(table[0]) if table else []
    if len({*first}) == len(first) or len(table) < 3 or len(table[1]) != len(first):
        return first, 1
    above = first if len({*table[1]}) == len(first) else _spread(first)
    columns = ["_".join(filter(None, names)) for names in zip(above, table[1], strict=True)]
    third = table[2]  # where pandas names the levels of the index
    depth = sum(map(bool, third))
    if len(third) == len(first) and 0 < depth < len(first) and all(third[:depth]) and not any(first[:depth]):
        return [name or other for name, other in zip(third, columns, strict=True)], 3
    return columns, 2


def _spread(cells: Sequence[str]) -> list[str]:
    """The cells of a header that a spreadsheet merged: each empty one has the text before it."""
    spread: list[str] = []
    for cell in cells:
        spread.append(cell or (spread[-1] if spread else ""))
    return spread


def _plain(cells: Sequence[str]) -> list[str]:
    """The cells of a column, its numbers without signs and units behind them; nothing for missing ones."""
    cells = [cell.replace("\u2212", "-") for cell in cells]  # the minus sign of typesetters
    values = ["" if cell.strip(DASHES).lower() in MISSING else _LATEX.sub(r"\1\2", cell) for cell in cells]
    given = [value for value in values if value]
    if given and all(value.endswith("%") or (as_number(value) or 0) > LEAST_PERCENT for value in given):
        values = [value.removesuffix("%").rstrip() for value in values]
        given = [value for value in values if value]
    units = {match[2] if (match := _UNIT.fullmatch(value)) else "" for value in given}
    if len(units) == 1 and units != {""}:
        values = [value.removesuffix(next(iter(units))).rstrip() for value in values]
    return values


def _has_points(columns: Iterable[Sequence[str]]) -> bool:
    """Whether the decimals of a table's results follow a point, so that a comma parts the items of a list."""
    numbers = [cell for cells in columns for cell in cells if _DIGITS.fullmatch(cell)]
    return any("." in number for number in numbers) and not any("," in number for number in numbers)


def _without_commas(values: list[str], column: str, delimiter: str, may_be_list: bool) -> list[str]:
    """The numbers of a column as Python writes them; a setting such as `64,128` stays text."""
    given = [value for value in values if value]
    with_commas = [value for value in given if "," in value]
    if not with_commas:
        return values
    if may_be_list and not all("." in value or _FRACTION.match(value) for value in with_commas):
        return values
    is_thousands = all(map(_THOUSANDS.fullmatch, with_commas)) and delimiter in ",|"
    if is_thousands and not _is_decimal_alone(given, column):
        return [value.replace(",", "") for value in values]
    if all(_DIGITS.fullmatch(value) or _POINTS.fullmatch(value) for value in given):  # a decimal comma
        values = [value.replace(".", "") if _POINTS.fullmatch(value) else value for value in values]
        return [value.replace(",", ".") for value in values]
    return values


def _is_decimal_alone(values: Sequence[str], column: str) -> bool:
    """Whether numbers are in the range of a known metric, or its percentage, only if commas are decimal."""
    metric = lookup(usual_name(split_stage(column)[1]))
    if metric is None or metric.is_declared:
        return False
    low, high = sorted((metric.worst, metric.best))
    high = 100 if (low, high) == (0, 1) else high
    numbers = [as_number(value.replace(",", "")) for value in values]
    decimals = [as_number(value.replace(",", ".")) for value in values]
    return not all(n is None or low <= n <= high for n in numbers) and all(
        n is not None and low <= n <= high for n in decimals
    )
