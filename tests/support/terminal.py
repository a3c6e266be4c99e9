"""A command in a pseudo-terminal of a given width, and what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.command_line import environment

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


def run_in_terminal(command: Sequence[str], folder: Path, width: int, **more: str) -> Shown:
    """Run a command in a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    variables = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**variables, "TERM": "xterm", **more},
        start_new_session=True,
    )
    os.close(follower)
    written = b""
    while True:
        try:
            block = os.read(leader, 1 << 16)
        except OSError:  # the other end was closed
            break
        if not block:
            break
        written += block
    os.close(leader)
    return Shown(process.wait(), written.decode())
