"""Plain text, broken between words in a terminal; in pipes and files a message stays one line. No torch."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

TEXT = 24  # columns: a second column that has fewer begins on a line of its own
COLUMNS = re.compile(r"(\s*\S(?:.*?\S)??) {2,}(?=\S)")  # what stands before a second column


def fitted(text: str, stream: TextIO | None) -> str:
    """The text as `wrapped` if the stream is a terminal; else as it is."""
    width = terminal_width(stream)
    return text if width is None else wrapped(text, width)


def terminal_width(stream: TextIO | None) -> int | None:
    """The columns of the terminal that a stream writes to; None for pipes and files."""
    try:
        if stream is None or not stream.isatty():
            return None
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def wrapped(text: str, width: int) -> str:
    """Break lines that are too long between words, and never within one, such as a path.

    A second column, after two spaces or more, keeps its place, or begins on a line of its own where it would
    be too narrow.

    >>> print(wrapped("ls    the runs and sweeps below a folder", 40))
    ls    the runs and sweeps below a folder
    >>> print(wrapped("ls    the runs and sweeps below a folder", 30))
    ls    the runs and sweeps
          below a folder
    >>> print(wrapped("ls    the runs and sweeps below a folder", 24))
    ls
      the runs and sweeps
      below a folder
    """
    return "\n".join(line for whole in text.split("\n") for line in _lines(whole, width))


def _lines(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    columns = COLUMNS.match(line)
    if columns is None:
        return _filled(line.strip(), width, indent, indent)
    if width - columns.end() >= TEXT:
        first = columns.group()
        return _filled(line[columns.end() :], width, first, " " * len(first))
    rest = f"{indent}  "
    return [
        *_filled(columns.group(1).strip(), width, indent, indent),
        *_filled(line[columns.end() :], width, rest, rest),
    ]


def _filled(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


@contextmanager
def fitted_output() -> Iterator[None]:
    """Print what is printed inside at its end, `fitted`: of a library that knows no widths."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        print(fitted(printed.getvalue(), sys.stdout), end="")


class WrappingHandler(logging.StreamHandler[TextIO]):
    """Prints log messages, `fitted` to the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return fitted(super().format(record), self.stream)
