"""The terminal that results and progress are printed to. No torch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNLIMITED = 100_000  # columns
MOST_LINES = 100  # of a training whose progress is printed in lines, but for those that are due by time
LONGEST_SILENCE = 30.0  # seconds


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


class ProgressLines:
    """Says which epochs get a line where nothing can be drawn anew: in pipes, files and notebooks.

    Each one of a short training, about a hundred of a long one with its first and its last, and one every
    half a minute.
    """

    def __init__(self) -> None:
        self._count = 0
        self._printed = time.monotonic()

    def is_due(self, epoch: int, epochs: int | None) -> bool:
        """Whether the epoch that has ended is to be printed.

        Args:
            epoch: Its number, from 1 on.
            epochs: How many there will be; None where nobody knows.

        >>> lines = ProgressLines()
        >>> [epoch for epoch in range(1, 501) if lines.is_due(epoch, 500)][-3:]
        [490, 495, 500]
        """
        self._count += 1
        every = -(-epochs // MOST_LINES) if epochs else 1
        now = time.monotonic()
        is_regular = self._count == 1 or self._count % every == 0 or epoch == epochs
        is_due = is_regular or now - self._printed > LONGEST_SILENCE
        if is_due:
            self._printed = now
        return is_due


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
