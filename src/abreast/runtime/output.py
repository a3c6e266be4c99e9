"""Standard output and standard error that may break: what is printed never ends what is computed."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from abreast.errors import DiskError

GONE = (errno.EPIPE, errno.EIO)  # the reader, such as `head` or a terminal, is no longer there


class Output:
    """A stream that keeps its first error, and passes over what is written after it.

    Args:
        stream: Where the text goes.
        name: What the stream is called in messages.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, if the stream still takes any."""
        if self.error is None:
            try:
                return self._stream.write(text)
            except UnicodeEncodeError:  # as under LANG=C
                encoding = self._stream.encoding
                return self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except OSError as error:
                self._break(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what was written."""
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._break(error)

    def _break(self, error: OSError) -> None:
        """Keep the error. What is left in buffers, or comes from processes started later, goes nowhere."""
        self.error = error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def check(self) -> bool:
        """Hand on what was written; as `all_is_read`."""
        self.flush()
        if self.error is None:
            return True
        if self.error.errno in GONE:
            return False
        raise DiskError(f"{self._name}: cannot be written ({self.error.strerror}). Send it elsewhere")


@contextmanager
def guarded_output() -> Iterator[None]:
    """Let neither standard output nor standard error end what is done inside."""
    before = sys.stdout, sys.stderr
    if any(isinstance(stream, Output) or stream is None for stream in before):
        yield
        return
    sys.stdout = cast(TextIO, Output(before[0], "standard output"))
    sys.stderr = cast(TextIO, Output(before[1], "standard error"))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def all_is_read() -> bool:
    """Hand on what was printed.

    Returns:
        Whether the reader of standard output has taken all of it.

    Raises:
        DiskError: It is a file that cannot be written to.
    """
    return not isinstance(sys.stdout, Output) or sys.stdout.check()
