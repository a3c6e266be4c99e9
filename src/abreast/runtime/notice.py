"""What a person waits for, in the terminal, as long as it lasts. No torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from abreast.runtime.console import is_plain


@contextmanager
def notice(text: str) -> Iterator[None]:
    """Show a line while something is done that prints nothing itself: not in pipes, files and notebooks.

    Args:
        text: At most 40 columns.
    """
    stream = sys.stderr
    shows = stream is not None and stream.isatty() and not is_plain()
    if shows:
        print(text, end="", file=stream, flush=True)
    try:
        yield
    finally:
        if shows:
            print("\r\x1b[K", end="", file=stream, flush=True)
