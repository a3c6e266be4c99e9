"""Whether this process may download anything. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_allowed: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def downloads(allowed: bool) -> Iterator[None]:
    """Allow downloads in the `with` block, or forbid them: a run directory decides about none."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def are_allowed() -> bool:
    """Whether anything may be downloaded now."""
    return _allowed.get()
