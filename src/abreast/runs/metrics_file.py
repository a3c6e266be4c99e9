"""The text of `metrics.csv`: a header, and a row of numbers for each epoch. No torch."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

from abreast.errors import RunError

COLUMN = re.compile(r"(train|val|test)/[\w/.@-]+|[A-Za-z_]\w*")  # train/loss, seconds


def parse_metrics(text: str, file: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv.

    Args:
        text: The content of the file.
        file: The file, for messages.

    Returns:
        One dictionary per epoch, without the cells that are empty.

    Raises:
        RunError: For a header that training does not write, a row that is not as long, a cell that is not a
            number, or an epoch that is not the next one.
    """
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise RunError(f"{file}: not a CSV text ({error})") from None
    if not rows:
        return []
    header = rows[0]
    check_header(header, file)
    values = []
    for number, cells in enumerate(rows[1:], start=1):
        if len(cells) != len(header):
            raise RunError(f"{file}: line {number + 1} has {len(cells)} cells for {len(header)} columns")
        try:
            row = {name: float(cell) for name, cell in zip(header, cells, strict=True) if cell}
        except ValueError as error:
            raise RunError(f"{file}: a cell is not a number ({error})") from None
        if row.get("epoch") != number:
            epoch = row.get("epoch", math.nan)
            raise RunError(f"{file}: line {number + 1} is of epoch {epoch:g}, not {number}")
        values.append(row)
    return values


def check_header(header: Sequence[str], file: Path) -> None:
    """Check the names of the columns.

    Raises:
        RunError: If training does not write such columns; the message names the first one.
    """
    wrong = next((name for name in header if not COLUMN.fullmatch(name)), None)
    if wrong is None and header[:1] != ["epoch"]:
        wrong = next(iter(header), "")
    if wrong is None and len({*header}) == len(header):
        return
    what = "a column twice" if wrong is None else f"the column {wrong[:40]!r}"
    raise RunError(f"{file}: the first line has {what}; it must be epoch, then names such as train/loss")
