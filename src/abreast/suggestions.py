"""Names in messages: lists of what is allowed, and the nearest to what was written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was probably meant."""
    allowed = list(allowed)
    by_lower = {each.lower(): each for each in allowed}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, 0.6)
    same = [each for each in allowed if near and each.lower() == near[0]]
    return max(same, key=lambda each: difflib.SequenceMatcher(None, name, each).ratio(), default=None)


def did_you_mean(name: str, allowed: Iterable[str], form: str = "{}") -> str:
    """A sentence that suggests the nearest allowed name, or nothing; `form` says how it is written."""
    near = nearest(name, allowed)
    return "" if near is None else f". Did you mean {form.format(near)}?"


def listed(names: Iterable[str]) -> str:
    """The names, in order, separated by commas."""
    return ", ".join(names)
