"""Names for the nested plain data that passes between modules, and what is a number in it. No torch.

Each is a dictionary with text keys. The name says which one: a configuration, a JSON file's content, or the
state of an object that can be saved and restored.
"""

from __future__ import annotations

from typing import Any, TypeGuard

Config = dict[str, Any]  # a resolved configuration or a part of one: str, int, float, bool, None, list, dict
Json = dict[str, Any]  # the content of a JSON file, or what is to be written to one
State = dict[str, Any]  # what `state_dict()` returns and a checkpoint holds: plain data and tensors


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number, which a truth value is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: object, least: int = 0) -> TypeGuard[int]:
    """Whether a value is a whole number of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
