"""Progress of what is done one by one before or after the training, such as composing the jobs of a sweep."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST, EVERY = 1.0, 5.0  # seconds until the first line, and between two lines


def reported(items: Iterable[T], verb: str, noun: str = "jobs", total: int | None = None) -> Iterator[T]:
    """The items, with a line now and then of how many are done: nothing for what is quick.

    Args:
        items: The items.
        verb: What is done with them.
        noun: What they are called.
        total: Their number, where they have no length.
    """
    total = len(items) if isinstance(items, Sized) else total
    of_all = "" if total is None else f" of {total:,}"
    due = time.monotonic() + FIRST
    for done, item in enumerate(items):
        if time.monotonic() >= due:
            log.info("%s %s%s %s", verb, f"{done:,}", of_all, noun)
            due = time.monotonic() + EVERY
        yield item
