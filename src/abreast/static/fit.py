"""Whether a value from a configuration fits what a parameter takes, and the message if it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from abreast.static.annotations import Bound, Kind, Kinds, followed
from abreast.suggestions import did_you_mean, listed

_SINGULAR = {
    "int": "a whole number (int)",
    "float": "a number (float)",
    "bool": "true or false",
    "str": "text (str)",
    "null": "null",
    "mapping": "keys with values",
    "list": "a list",
    "tuple": "a list",
}
_PLURAL = {"int": "whole numbers", "float": "numbers", "bool": "true and false", "str": "texts"}
_ONE_SIDED = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def misfit(key: str, value: object, kinds: Kinds) -> str | None:
    """The message for a value that fits none of the kinds; it names the element where a list is wrong.

    Bounds do not count: see `out_of_bounds`.
    """
    if _fits(value, kinds):
        return None
    kinds = followed(kinds)
    if isinstance(value, list):
        return _misfit_inside(key, value, kinds)
    message = f"{key}: {written(value)} is not {describe(kinds)}"
    names = {kind.name for kind in kinds}
    if names & {"list", "tuple"} and _fits([value], kinds):
        return f"{message}; write {key}=[{written(value)}]"
    if "int" in names and isinstance(value, float) and value.is_integer():
        return f"{message}; write {key}={int(value)}"
    choices = [str(choice) for kind in kinds if kind.name == "literal" for choice in kind.items]
    return message + did_you_mean(str(value), choices)


def out_of_bounds(key: str, value: object, kinds: Kinds) -> Iterator[str]:
    """A message for the number, or each number in a list, that the bounds of its annotation exclude."""
    if isinstance(value, list):
        for kind in kinds:
            if kind.name in ("list", "tuple"):
                elements = kind.items if kind.name == "tuple" else [kind.items] * len(value)
                for index, (element, inner) in enumerate(zip(value, elements, strict=False)):
                    yield from out_of_bounds(f"{key}[{index}]", element, inner)
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    fitting = [kind for kind in kinds if kind.name != "alias" and _fits_one(value, kind)]
    fitting = fitting or [kind for kind in followed(kinds) if _fits_one(value, kind)]
    if fitting and not any(all(bound.allows(value) for bound in kind.bounds) for kind in fitting):
        yield f"{key}: must be {' or '.join(_range(kind.bounds) for kind in fitting)}, got {value}"


def _range(bounds: Sequence[Bound]) -> str:
    """Bounds in words: `at least 0`, `in [0, 1)`."""
    by_side = {bound.operator[0]: bound for bound in bounds}
    if by_side.keys() == {"g", "l"}:
        low, high = by_side["g"], by_side["l"]
        left, right = "[" if low.operator == "ge" else "(", "]" if high.operator == "le" else ")"
        return f"in {left}{low.text}, {high.text}{right}"
    return " and ".join(f"{_ONE_SIDED[bound.operator]} {bound.text}" for bound in bounds)


def _misfit_inside(key: str, value: list[Any], kinds: Kinds) -> str:
    for kind in kinds:
        if kind.name == "tuple" and len(kind.items) != len(value):
            return f"{key}: takes {len(kind.items)} values, got {len(value)}: {written(value)}"
        if kind.name in ("tuple", "list"):
            elements = kind.items if kind.name == "tuple" else [kind.items] * len(value)
            messages = (
                misfit(f"{key}[{index}]", *pair)
                for index, pair in enumerate(zip(value, elements, strict=True))
            )
            return next(filter(None, messages))
    return f"{key}: {written(value)} is not {describe(kinds)}"


def _fits(value: object, kinds: Kinds) -> bool:
    names = {kind.name for kind in kinds}
    if isinstance(value, Mapping) and "_target_" in value:
        return any(map(_may_be_object, kinds))
    if names & {"int", "float"}:  # a number or a tensor: neither is written as a list
        kinds = tuple(kind for kind in kinds if kind.name != "tensor")
    if any(_fits_one(value, kind) for kind in kinds if kind.name != "alias"):
        return True
    definitions = followed(kinds)
    return definitions != kinds and any(_fits_one(value, kind) for kind in definitions)


def _may_be_object(kind: Kind) -> bool:
    """Whether something that is built from a `_target_` can be of a kind: plain values are written."""
    if kind.name == "alias":
        return any(map(_may_be_object, followed((kind,))))
    if kind.name in ("list", "tuple"):
        elements = kind.items if kind.name == "list" else [one for kinds in kind.items for one in kinds]
        return not elements or any(map(_may_be_object, elements))
    return kind.name in ("any", "tensor", "mapping")


def _fits_one(value: object, kind: Kind) -> bool:
    match kind.name:
        case "any":
            return True
        case "null":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "mapping":
            return isinstance(value, Mapping)
        case "literal":
            return any(value == choice and type(value) is type(choice) for choice in kind.items)
        case "tensor":  # made from a list of numbers
            return isinstance(value, list) and all(
                _fits_one(element, Kind("float")) or _fits_one(element, kind) for element in value
            )
        case "tuple":
            items = kind.items
            if not isinstance(value, list) or (items and len(items) != len(value)):
                return False
            return not items or all(_fits(*pair) for pair in zip(value, items, strict=True))
    return isinstance(value, list) and (
        not kind.items or all(_fits(element, kind.items) for element in value)
    )


def describe(kinds: Kinds) -> str:
    """The alternatives in words."""
    parts = [_in_words(kind) for kind in kinds if kind.name not in ("tensor", "null")]
    parts += ["a list of numbers"] if any(kind.name == "tensor" for kind in kinds) and not parts else []
    parts += ["null"] if any(kind.name == "null" for kind in kinds) else []
    return " or ".join(dict.fromkeys(parts))


def _in_words(kind: Kind) -> str:
    if kind.name == "literal":
        return "one of " + listed(map(str, kind.items))
    if kind.name in ("list", "tuple"):
        elements: Sequence[Kind] = kind.items if kind.name == "list" else (kind.items or ((),))[0]
        if elements and (word := _PLURAL.get(elements[0].name)):
            count = f"{len(kind.items)} " if kind.name == "tuple" else ""
            return f"a list of {count}{word}"
    return _SINGULAR[kind.name]


def written(value: object) -> str:
    """A value as a command line has it, with texts in quotes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + listed(map(written, value)) + "]"
    if isinstance(value, Mapping) and "_target_" in value:
        return f"an object ({value['_target_']})"
    return repr(value)
