"""The types of what the JSON files of a run directory hold, and whether a file keeps to them. No torch.

A file that was damaged or edited can still be JSON. What reads it gets values of these types, or no value.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

from abreast.config.types import Json
from abreast.runs.small_file import MOST_DIGITS

LIMIT = 10**MOST_DIGITS
MOST = sys.float_info.max


class ResultFile(TypedDict, total=False):
    """result.json, as far as it is read; `abreast.training.finish.RunResult` says what the keys mean."""

    status: str
    task: str
    metrics: Any  # each value is looked at by itself: one that is not a number is no metric
    seconds: float
    epoch: int
    step: int
    checkpoint: str
    parameters: int
    examples: dict[str, int]
    facts: dict[str, float]
    classes: list[str]
    confusion: list[list[int]] | None
    versions: dict[str, str]
    execution: dict[str, str | int | bool]
    data: dict[str, Any]
    sources: dict[str, str]


class WorstImage(TypedDict):
    """One image of worst.json."""

    example: int
    label: int
    prediction: int
    probability: float
    confidence: float


class WorstFile(TypedDict):
    """worst.json: the worst-classified test images, side by side in one PNG (base64)."""

    classes: list[str]
    height: int
    width: int
    images: list[WorstImage]
    png: str


def typed(content: Mapping[str, Any], schema: type) -> tuple[Json, list[str]]:
    """The values of a file that have the type that the schema gives their key.

    Args:
        content: What the file holds. Keys that the schema does not have are kept.
        schema: A TypedDict.

    Returns:
        The content without values of other types, and a message for each of these.
    """
    hints = _hints(schema)
    wrong = {key: value for key, value in content.items() if key in hints and not fits(value, hints[key])}
    problems = [f"{key} is {_shown(value)}, not {_name(hints[key])}" for key, value in wrong.items()]
    return {key: value for key, value in content.items() if key not in wrong}, problems


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of a type; a whole number is a float, too, and a float is finite."""
    return _check(hint)(value)


@cache
def _check(hint: Any) -> Callable[[Any], bool]:
    """What tells whether a value fits; made once, as a report reads thousands of files."""
    if hint is Any:
        return lambda value: True
    if is_typeddict(hint):
        keys = {key: (_check(inner), key in hint.__required_keys__) for key, inner in _hints(hint).items()}
        return lambda value: (
            isinstance(value, dict)
            and all(
                check(value[key]) if key in value else not required for key, (check, required) in keys.items()
            )
        )
    checks = [_check(inner) for inner in get_args(hint)]
    if get_origin(hint) in (Union, types.UnionType):
        return lambda value: any(check(value) for check in checks)
    if get_origin(hint) is list:
        return lambda value: isinstance(value, list) and all(map(checks[0], value))
    if get_origin(hint) is dict:
        return lambda value: isinstance(value, dict) and all(map(checks[1], value.values()))
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < LIMIT
    if hint is float:
        return lambda value: (
            isinstance(value, (int, float)) and not isinstance(value, bool) and -MOST <= value <= MOST
        )
    if hint is bool or hint is type(None):
        return lambda value: type(value) is hint
    return lambda value: isinstance(value, hint) and not isinstance(value, bool)


@cache
def _hints(schema: type) -> Mapping[str, Any]:
    return get_type_hints(schema)


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
