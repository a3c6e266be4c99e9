"""Names in messages: lists of what is allowed, and the nearest to what was written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, allowed: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The allowed name that was probably meant, if one is similar enough (from 0 to 1, all the same).

    >>> nearest("adamm", ["adam", "sgd"])
    'adam'
    """
    allowed = list(allowed)
    by_lower = {candidate.lower(): candidate for candidate in allowed}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, cutoff)
    same = [candidate for candidate in allowed if near and candidate.lower() == near[0]]
    return max(
        same, key=lambda candidate: difflib.SequenceMatcher(None, name, candidate).ratio(), default=None
    )


def did_you_mean(name: str, allowed: Iterable[str], form: str = "{}") -> str:
    """A sentence that suggests the nearest allowed name, or nothing; `form` says how it is written."""
    near = nearest(name, allowed)
    return "" if near is None else f". Did you mean {form.format(near)}?"


def listed(names: Iterable[str]) -> str:
    """The names, in order, separated by commas."""
    return ", ".join(names)
