"""Errors that another process can be told."""

from __future__ import annotations

import pickle

from abreast.errors import RunError


def portable(error: BaseException | None) -> BaseException | None:
    """The error itself if it can be pickled, else one with its message."""
    if error is None:
        return None
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    if type(copy) is type(error) and str(copy) == str(error):
        return error
    return RunError(f"{type(error).__name__}: {error}")
