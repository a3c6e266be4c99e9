"""Python values as overrides in Hydra's grammar, so that Hydra reads back what was given. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from os import PathLike, fspath
from typing import Any

from abreast.errors import ConfigError

KEY = re.compile(r"[A-Za-z_][\w-]*(?:[./@][\w-]+)*", re.ASCII)
# What needs no quotes: a value, and a key of a dictionary.
WORD = re.compile(r"(?!(?:null|true|false|inf|nan)$)[A-Za-z_][\w-]*", re.ASCII | re.IGNORECASE)
DICT_KEY = re.compile(r"(?!(?:null|true|false|inf|nan)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)
INTERPOLATION = re.compile(r"(\\*)\$\{")
QUOTE = re.compile(r"(\\*)('|\Z)")


def to_overrides(overrides: Sequence[str], settings: Mapping[str, Any], *, is_sweep: bool) -> list[str]:
    """The overrides of a call: those that are given as text, then one for each setting.

    A mapping sets the keys below its own (`optim={"lr": 0.1}` is `optim.lr=0.1`). Under a key with a dot it
    is a value itself. In a sweep a list, tuple, range or array holds the values to sweep over; one of them
    that is a list itself stands in another list.

    Args:
        overrides: As on the command line (`loss=mse`).
        settings: Values by key.
        is_sweep: Whether lists are swept over.

    Raises:
        ConfigError: For what cannot be an override.
    """
    for text in overrides:
        if not isinstance(text, str):
            raise ConfigError(
                f"{_shown(text)}: an override is a text such as 'loss=mse'; give values by key: loss='mse'"
            )
        if text.startswith("-") or "=" not in text.lstrip("~"):
            raise ConfigError(
                f"{text}: not an override. Write KEY=VALUE, such as 'loss=mse'; flags are of the command line"
            )
    assigned = dict(_flat(settings))
    return [*overrides, *(f"{key}={_assigned(key, value, is_sweep)}" for key, value in assigned.items())]


def _flat(settings: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if not isinstance(name, str) or not KEY.fullmatch(name):
            raise ConfigError(f"{key}: not a key of the configuration, such as optim.lr")
        if isinstance(value, Mapping) and value and "." not in name:
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _assigned(key: str, value: Any, is_sweep: bool) -> str:
    try:
        is_swept = is_sweep and not key.startswith("hydra")  # whose own settings Hydra does not sweep over
        values = _values(value) if is_swept else None
        if values is None:
            return literal(value)
        if isinstance(values, range) and len(values) > 1:
            return f"range({values.start},{values.stop},{values.step})"
        if not values:
            raise ConfigError(f"{key}={_shown(value)}: has no value to sweep over")
        return ",".join(map(literal, values))
    except TypeError as error:
        raise ConfigError(
            f"{key}={_shown(value)}: {error}; allowed are None, booleans, numbers, texts, paths, and lists "
            f"and dictionaries of them{_by_name(key)}"
        ) from None


def _values(value: Any) -> Sequence[Any] | None:
    """What a sweep goes over; None for a single value."""
    value = _plain(value)
    return value if isinstance(value, (list, tuple, range)) else None


def _by_name(key: str) -> str:
    """How a loss and the like are given instead of an object or a class."""
    example = {"loss": "mse", "optim": "adam", "schedule": "cosine", "trainer": "cpu"}.get(key)
    options = f"abreast show {key} lists the options, docs/howto/index.md how to add one"
    return f'. Name an option, such as {key}="{example}"; {options}' if example else ""


def literal(value: Any) -> str:
    """The text that Hydra reads as this value.

    >>> literal(None), literal(0.1), literal("mse"), literal("a, b"), literal([1, {"k": True}])
    ('null', '0.1', 'mse', "'a, b'", '[1,{k:true}]')

    Args:
        value: None, a boolean, number, text or path, or a list or dictionary of them; numpy's and torch's
            scalars and arrays count as numbers and lists.

    Raises:
        TypeError: For anything else.
    """
    value = _plain(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return value if WORD.fullmatch(value) else _quoted(value)
    if isinstance(value, (list, tuple, range)):
        return f"[{','.join(map(literal, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_dict_key(key)}:{literal(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"a value of type {type(value).__name__} cannot stand in a configuration")


def _plain(value: Any) -> Any:
    """A value without the types of numpy, torch and pathlib."""
    if isinstance(value, Set):
        raise TypeError("a set has no order; write a list")
    if isinstance(value, PathLike):
        return fspath(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float) and not isinstance(value, bool):
        return float(value)
    return value


def _quoted(text: str) -> str:
    """A text in quotes, with what would be an interpolation as text."""
    text = INTERPOLATION.sub(r"\1\1\\${", text)
    return "'" + QUOTE.sub(lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text) + "'"


def _dict_key(key: Any) -> str:
    if isinstance(key, str) and DICT_KEY.fullmatch(key):
        return key
    raise TypeError(f"{_shown(key)} cannot be a key of a dictionary there")


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
