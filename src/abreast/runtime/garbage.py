"""Keeps Python's garbage collector from the libraries' objects: about a million, none of them garbage."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from abreast.runtime.patches import is_on


def freeze_at_exit() -> None:
    """Spare the end of the process a last collection, which takes about a second."""
    if is_on("garbage"):
        atexit.register(gc.freeze)


def pause() -> None:
    """Turn collection off, until `gc.enable()`: for a phase that makes many small objects that are kept."""
    if is_on("garbage"):
        gc.disable()


@contextmanager
def existing_objects_frozen() -> Iterator[None]:
    """Collect only objects that are made inside; what became garbage meanwhile is collected at the end."""
    if not is_on("garbage"):
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
