"""Messages in a terminal, in a pipe, and where there is no stream at all."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from abreast.runtime.notice import notice
from abreast.runtime.wrapping import WrappingHandler, fitted, wrapped

LONG = "loss=multi_margin: no such option. loss takes: asymmetric, balanced_softmax, bce"
PATH = "runs/2026-11-28/17-54-42-096035_digits_mlp_cross_entropy_adam"


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """What a program writes to in a terminal of 30 columns, and where that is read."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 30, 0, 0))
    with os.fdopen(follower, "w") as stream:
        yield stream, leader
    os.close(leader)


def test_a_line_is_broken_between_words() -> None:
    lines = wrapped(f"{LONG}\n\n  {PATH} is finished", 30).split("\n")
    assert " ".join(lines[:-3]) == LONG
    assert max(map(len, lines[:-3])) <= 30
    assert lines[-3:] == ["", f"  {PATH}", "  is finished"]  # a path can be copied


def test_only_a_terminal_gets_broken_lines(terminal: tuple[TextIO, int]) -> None:
    assert fitted(LONG, terminal[0]) == wrapped(LONG, 30)
    assert fitted(LONG, io.StringIO()) == LONG
    assert fitted(LONG, None) == LONG
    record = logging.LogRecord("x", logging.INFO, "", 0, LONG, (), None)
    assert WrappingHandler(terminal[0]).format(record) == wrapped(LONG, 30)
    assert WrappingHandler(io.StringIO()).format(record) == LONG


def test_a_notice_is_gone_when_it_is_over(
    terminal: tuple[TextIO, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with notice("Loading ..."):
        pass
    assert capsys.readouterr() == ("", "")  # not a terminal
    stream, reader = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with notice("Loading ..."):
        assert os.read(reader, 100) == b"Loading ..."
    assert os.read(reader, 100) == b"\r\x1b[K"


def test_a_line_that_fits_stays_whole() -> None:
    line = f"runs/{'a' * 56}  finished"
    assert wrapped(line, 80) == line
