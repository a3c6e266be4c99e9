"""A command in a pseudo-terminal of a given width, and what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from support.forks import run_forked

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Shown:
    """What a terminal got.

    Attributes:
        code: The command's exit code.
        raw: All that was written, with its escape codes.
    """

    code: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """Every line that was ever shown, without escape codes."""
        return [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", self.raw)) if line.strip()]


def run_in_terminal(arguments: Sequence[str], folder: Path, width: int, **more: str) -> Shown:
    """Run `train.py` with the arguments in a terminal of so many columns, in a fork."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    blocks: list[bytes] = []
    reader = threading.Thread(target=_read, args=(leader, blocks))
    reader.start()
    variables = {"TERM": "xterm", **more}
    outcome = run_forked(arguments, folder, terminal=os.ttyname(follower), **variables)
    os.close(follower)  # the last that is open: the reader comes to the end
    reader.join()
    os.close(leader)
    return Shown(outcome.code, b"".join(blocks).decode())


def _read(leader: int, blocks: list[bytes]) -> None:
    """Read until no process has the terminal open."""
    with suppress(OSError):
        while block := os.read(leader, 1 << 16):
            blocks.append(block)
