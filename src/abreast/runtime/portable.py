"""Errors that another process can be told."""

from __future__ import annotations

import pickle
from typing import NamedTuple

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


class PackedError(NamedTuple):
    """An error on its way to a process that may not have its class.

    Attributes:
        pickled: The error, or one with its message.
        text: What it says.
    """

    pickled: bytes
    text: str

    @classmethod
    def of(cls, error: BaseException | None) -> PackedError | None:
        """Pack an error."""
        if error is None:
            return None
        return cls(pickle.dumps(portable(error)), f"{type(error).__name__}: {error}")

    def error(self) -> BaseException:
        """The error, or one with its message where its class is not there."""
        try:
            error = pickle.loads(self.pickled)
        except Exception:
            error = None
        return error if isinstance(error, BaseException) else RunError(self.text)
