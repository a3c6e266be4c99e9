"""The terminal that results and progress are printed to. No torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNLIMITED = 100_000  # columns


def console() -> Console:
    """Standard output: styled in a terminal, plain text in pipes, files and notebooks, and on demand.

    `NO_COLOR` (https://no-color.org) and `TERM=dumb` demand it.
    """
    return Console(
        file=sys.stdout, highlight=False, force_jupyter=False, color_system=None if is_plain() else "auto"
    )


def is_live(output: Console) -> bool:
    """Whether what is printed there can be drawn anew."""
    return output.is_terminal and not is_plain()


def is_plain() -> bool:
    """Whether escape codes are not wanted."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")


def fits(table: Table, output: Console) -> bool:
    """Whether a table has room without breaking a cell."""
    options = output.options.update(max_width=UNLIMITED)
    return Measurement.get(output, options, table).maximum <= output.width


def fitting(parts: Iterable[str], width: int) -> str:
    """The first parts that fit into a line of that width, at least one if there are any.

    >>> fitting(["epoch 2/10", "12 s left", "40 of 40 lanes"], 24)
    'epoch 2/10  12 s left'
    """
    return next(lines_of(parts, width), "")


def lines_of(parts: Iterable[str], width: int) -> Iterator[str]:
    """The parts in lines of that width, at least one in each.

    >>> list(lines_of(["A 0.9", "B 0.8", "C 0.7"], 13))
    ['A 0.9  B 0.8', 'C 0.7']
    """
    line = ""
    for part in parts:
        if line and len(line) + 2 + len(part) > width:
            yield line
            line = ""
        line = f"{line}  {part}" if line else part
    if line:
        yield line
