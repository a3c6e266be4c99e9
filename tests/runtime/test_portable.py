"""Errors that are sent to another process."""

from __future__ import annotations

from typing import Any

import pytest

from abreast.errors import ConfigError, DivergedError, Interrupted, RunError
from abreast.runtime.portable import portable


class OddError(Exception):
    """Cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (RunError("gone"), RunError, "gone"),
        (ConfigError("bad"), ConfigError, "bad"),
        (OddError(1, 2), RunError, "OddError: 1 and 2"),
        (DivergedError(3), DivergedError, "diverged at step 3"),
    ],
)
def test_an_error_can_be_sent(error: Exception, kind: Any, message: str) -> None:
    sent = portable(error)
    assert type(sent) is kind
    assert str(sent) == message


def test_the_cause_of_an_end_is_sent_too() -> None:
    import pickle

    step, signal = (pickle.loads(pickle.dumps(error)) for error in (DivergedError(3), Interrupted(15)))
    assert (step.step, signal.signum, signal.code) == (3, 15, 143)
