"""Signals that wait while something is written."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from abreast.runtime.signals import stop_deferred


@pytest.fixture
def told() -> Iterator[list[int]]:
    """The signals that were told, SIGTERM and SIGINT."""
    numbers: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        numbers.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sigterm_waits_and_is_told_once_and_ctrl_c_does_not_wait(told: list[int]) -> None:
    with stop_deferred():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert told == [signal.SIGINT]
    assert told == [signal.SIGINT, signal.SIGTERM]


def test_what_is_ignored_stays_ignored(told: list[int]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with stop_deferred():
        os.kill(os.getpid(), signal.SIGTERM)
    assert told == []
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
