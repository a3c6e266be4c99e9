"""What the columns of a table hold: numbers, booleans or categories, found out from their texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from abreast.data.columns import Column
from abreast.data.csv_file import RawTable
from abreast.data.look_alikes import warn_of_look_alikes
from abreast.errors import DataError

_USUAL = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")
MISSING = (*_USUAL, "#N/A", "#NA", "<NA>", "-nan", "-NaN")  # the last as spreadsheets and pandas write it
BOOLEANS = ({"true": 1.0, "false": 0.0}, {"yes": 1.0, "no": 0.0}, {"t": 1.0, "f": 0.0}, {"y": 1.0, "n": 0.0})
FLOAT32_BITS = 1000.0  # a mean of more deviations than this costs float32 more than three digits of seven

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?\d[\d.,]*,\d+")
_WRITTEN_NUMBER = re.compile(
    r"[+-]?[$€£¥]? ?\d+([ '\u2019\u00a0\u202f]\d{3})*([.,]\d+)?([dD][+-]?\d+)? ?[%$€£¥]?|0[xX][\da-fA-F]+"
)
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ].*)?|\d{1,2}:\d{2}(:\d{2}.*)?"
    r"|\d{1,2}[ -][^\W\d]{3,9}\.?,?[ -]\d{2,4}|[^\W\d]{3,9}\.? \d{1,2},? \d{4}"
)
_COUNTER_FROM = 10  # rows: fewer may be numbered by chance
_FEW = 20  # texts that are categories in any table


@dataclass(frozen=True)
class Reading:
    """How texts are read.

    Attributes:
        missing: Texts that stand for a missing value.
        decimal: The decimal sign, a point or a comma.
        categorical: Names of columns that hold categories even where these are numbers.
        max_categories: The most categories of a column.
    """

    missing: Collection[str] = MISSING
    decimal: str = "."
    categorical: Collection[str] = ()
    max_categories: int = 100

    def number(self, text: str) -> float | None:
        """The number that a text is, or None."""
        text = text.replace("\u2212", "-")  # a typographic minus
        if self.decimal == ",":
            text = text.replace(".", "").replace(",", ".") if "," in text else text
        return float(text) if _NUMBER.fullmatch(text) else None


def inferred(table: RawTable, name: str, reading: Reading, *, chosen: bool = False) -> Column:
    """What a column holds.

    Args:
        table: The training table.
        name: The column.
        reading: How its texts are read.
        chosen: Whether the user has named the column, so that it is not taken for a row counter.

    Raises:
        DataError: The column cannot be used as it is; the message names the file, row, column and fix.
    """
    texts = table.column(name)
    positions = [position for position, text in enumerate(texts) if text not in reading.missing]
    known = [texts[position] for position in positions]
    if name in reading.categorical:
        return _category(table, name, known, reading)
    values = [reading.number(text) for text in known]
    count = sum(value is not None for value in values)
    if count == len(known):
        numbers = [value for value in values if value is not None]
        if not chosen and len(known) == len(texts) and _counts_rows(numbers):
            raise DataError(
                f"{table.path}, column {name!r}: numbers the rows, which tells their order and nothing else. "
                f"Leave it out (data.drop=[{_quoted(name)}]), or name all columns to use: data.columns=[...]"
            )
        _check_range(table, name, positions, numbers)
        return Column(name, "number", (), _offset(numbers))
    if count * 2 > len(known):
        wrong = next(position for position, value in zip(positions, values, strict=True) if value is None)
        raise DataError(
            f"{table.at(wrong, name)}: {texts[wrong]!r} is not a number, as {count} other values are. "
            "Correct it, "
            f"name it as missing (data.missing=['',{_quoted(texts[wrong])}]), or make all of them categories "
            f"(data.categorical=[{_quoted(name)}])"
        )
    lower = {text.lower() for text in known}
    if any(lower <= pair.keys() for pair in BOOLEANS):
        return Column(name, "boolean")
    for pattern, what in (
        (_COMMA_NUMBER, "a number with commas. Are they decimal (data.decimal=','), or should they go?"),
        (
            _DATE,
            f"a date or time, which is not read. Leave it out (data.drop=[{_quoted(name)}]), or give numbers",
        ),
        (
            _WRITTEN_NUMBER,
            "a number written for people. Give plain ones, such as 1234.5, or make all of them categories "
            f"(data.categorical=[{_quoted(name)}])",
        ),
    ):
        matches = [p for p, text in zip(positions, known, strict=True) if pattern.fullmatch(text)]
        if len(matches) * 2 > len(known):
            raise DataError(f"{table.at(matches[0], name)}: {texts[matches[0]]!r} is {what}")
    different = len({*known})
    if different > max(_FEW, len(known) // 2):
        raise DataError(
            f"{table.path}, column {name!r}: has {different} different texts in {len(table)} rows, such as "
            f"{known[0]!r}: too many to learn from. Leave it out (data.drop=[{_quoted(name)}]), or keep it "
            f"(data.categorical=[{_quoted(name)}])"
        )
    return _category(table, name, known, reading)


def _category(table: RawTable, name: str, known: Sequence[str], reading: Reading) -> Column:
    categories = sorted({*known})
    if len(categories) > reading.max_categories:
        raise DataError(
            f"{table.path}, column {name!r}: has {len(categories)} different texts in {len(table)} "
            "rows, such as "
            f"{known[0]!r}. Leave it out (data.drop=[{_quoted(name)}]), or allow more categories "
            f"(data.max_categories={len(categories)})"
        )
    warn_of_look_alikes(f"{table.path}, column {name!r}", "categories", categories, known)
    return Column(name, "category", tuple(categories))


def _counts_rows(numbers: Sequence[float]) -> bool:
    if len(numbers) < _COUNTER_FROM or numbers[0] not in (0.0, 1.0):
        return False
    return all(value == numbers[0] + position for position, value in enumerate(numbers))


def _check_range(table: RawTable, name: str, positions: Sequence[int], numbers: Sequence[float]) -> None:
    for position, value in zip(positions, numbers, strict=True):
        if not abs(value) < 1e30:
            text = table.column(name)[position]
            raise DataError(f"{table.at(position, name)}: {text} is out of the range of float32. Rescale it.")


def _offset(numbers: Sequence[float]) -> float:
    """What to subtract so that float32 keeps the differences: 0 for all but numbers far from 0."""
    if not numbers:
        return 0.0
    mean, std = float(np.mean(numbers)), float(np.std(numbers))
    return float(round(mean)) if abs(mean) > FLOAT32_BITS * std > 0 else 0.0


def _quoted(text: str) -> str:
    """A text as an element of a list on the command line."""
    return text if re.fullmatch(r"[A-Za-z_]\w*", text) else repr(text)
