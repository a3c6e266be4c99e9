"""Keeps Python's garbage collector from the libraries' objects: about a million, none of them garbage."""

from __future__ import annotations

import atexit
import gc
import sys
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
def imports() -> Iterator[None]:
    """Look for no garbage while a command is imported, nor later among the objects that this makes."""
    if "torch" in sys.modules or not gc.isenabled() or not is_on("garbage"):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


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
