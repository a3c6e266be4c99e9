"""Progress of what is done job by job before the training."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST, EVERY = 1.0, 5.0  # seconds until the first line, and between two lines


def reported(items: Sequence[T], verb: str) -> Iterator[T]:
    """The items, with a line now and then of how many are done: nothing for what is quick."""
    due = time.monotonic() + FIRST
    for done, item in enumerate(items):
        if time.monotonic() >= due:
            log.info("%s %s of %s jobs", verb, f"{done:,}", f"{len(items):,}")
            due = time.monotonic() + EVERY
        yield item
