"""Whether a value from a configuration fits a parameter's annotation, read as source."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abreast.static.definitions import lookup
from abreast.static.modules import Module
from abreast.static.signatures import Parameter
from abreast.suggestions import did_you_mean

_NAMES = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "str": "str",
    "Path": "str",
    "PathLike": "str",
    "None": "null",
    "Tensor": "tensor",
    **dict.fromkeys(("list", "List", "Sequence", "Iterable", "Collection", "set", "Set"), "list"),
    **dict.fromkeys(("tuple", "Tuple"), "tuple"),
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping"), "mapping"),
}
_ONE = {
    "int": "a whole number (int)",
    "float": "a number (float)",
    "bool": "true or false",
    "str": "text (str)",
    "null": "null",
    "mapping": "keys with values",
    "list": "a list",
    "tuple": "a list",
}
_MANY = {"int": "whole numbers", "float": "numbers", "bool": "true and false", "str": "texts"}


@dataclass(frozen=True)
class Kind:
    """One alternative, and what it holds.

    list: its elements' kinds; tuple: each element's kinds; literal: the values; alias: an expression and its
    module, which are followed only for a value that nothing else fits: it may take reading many files.
    """

    name: str  # of `_ONE`, or tensor, literal, alias, any
    items: tuple[Any, ...] = ()


Kinds = tuple[Kind, ...]
ANYTHING: Kinds = (Kind("any"),)
NUMBER: Kinds = (Kind("float"),)


def kinds_of(parameter: Parameter) -> Kinds:
    """What a parameter takes, by its annotation, or else by its default's type."""
    if parameter.annotation is None:
        return _of_default(parameter.default)
    kinds = read(parameter.annotation, parameter.module)
    is_null = isinstance(parameter.default, ast.Constant) and parameter.default.value is None
    return (*kinds, Kind("null")) if is_null else kinds


def read(annotation: ast.expr | None, module: Module | None = None) -> Kinds:
    """The alternatives an annotation names; anything, where a part of it is not a known name."""
    match annotation:
        case ast.Constant(value=None):
            return (Kind("null"),)
        case ast.Constant(value=str(text)):
            try:
                return read(ast.parse(text, mode="eval").body, module)
            except SyntaxError:
                return ANYTHING
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return read(left, module) + read(right, module)
        case ast.Name() | ast.Attribute():
            return _of_name(annotation, module)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _of_subscript(name, inner, module)
    return ANYTHING


def _of_name(annotation: ast.Name | ast.Attribute, module: Module | None) -> Kinds:
    name = annotation.id if isinstance(annotation, ast.Name) else annotation.attr
    if name in _NAMES:
        return (Kind(_NAMES[name]),)
    return ANYTHING if module is None else (Kind("alias", (annotation, module)),)


def _followed(kinds: Kinds) -> Kinds:
    """The kinds with every alias replaced by what it stands for."""
    found: list[Kind] = []
    for kind in kinds:
        if kind.name != "alias":
            found.append(kind)
            continue
        annotation, module = kind.items
        alias = lookup(module, annotation)
        if alias is not None and isinstance(alias.node, ast.expr):
            found += _followed(read(alias.node, alias.module))
        else:
            found += ANYTHING
    return tuple(found)


def _of_subscript(name: str, inner: ast.expr, module: Module | None) -> Kinds:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Optional":
        return (*read(inner, module), Kind("null"))
    if name == "Union":
        return tuple(kind for part in parts for kind in read(part, module))
    if name in ("Annotated", "Final"):
        return read(parts[0], module)
    if name == "Literal":
        values = tuple(part.value for part in parts if isinstance(part, ast.Constant))
        return (Kind("literal", values),) if len(values) == len(parts) else ANYTHING
    kind = _NAMES.get(name)
    if kind == "tuple" and not (isinstance(parts[-1], ast.Constant) and parts[-1].value is ...):
        return (Kind("tuple", tuple(read(part, module) for part in parts)),)
    if kind in ("tuple", "list"):
        return (Kind("list", read(parts[0], module)),)
    return (Kind("mapping"),) if kind == "mapping" else ANYTHING


def _of_default(default: ast.expr | None) -> Kinds:
    match default:
        case ast.Constant(value=bool()):
            return (Kind("bool"),)
        case ast.Constant(value=int() | float()):
            return NUMBER
        case ast.Constant(value=str()):
            return (Kind("str"),)
        case ast.List() | ast.Tuple():
            return (Kind("list", ANYTHING),)
    return ANYTHING


def misfit(key: str, value: object, kinds: Kinds) -> str | None:
    """The message for a value that fits none of the kinds, naming the element where a list is wrong."""
    if _fits(value, kinds):
        return None
    kinds = _followed(kinds)
    if isinstance(value, list):
        return _misfit_inside(key, value, kinds)
    message = f"{key}: {_shown(value)} is not {describe(kinds)}"
    names = {kind.name for kind in kinds}
    if names & {"list", "tuple"} and not isinstance(value, Mapping):
        return f"{message}; write {key}=[{_shown(value)}]"
    if "int" in names and isinstance(value, float) and value.is_integer():
        return f"{message}; write {key}={int(value)}"
    choices = [each for kind in kinds if kind.name == "literal" for each in kind.items]
    return message + did_you_mean(str(value), [str(each) for each in choices])


def _misfit_inside(key: str, value: list[Any], kinds: Kinds) -> str:
    for kind in kinds:
        if kind.name == "tuple" and len(kind.items) != len(value):
            return f"{key}: takes {len(kind.items)} values, got {len(value)}: {_shown(value)}"
        if kind.name in ("tuple", "list"):
            elements = kind.items if kind.name == "tuple" else [kind.items] * len(value)
            wrong = (
                misfit(f"{key}[{at}]", *pair) for at, pair in enumerate(zip(value, elements, strict=True))
            )
            return next(filter(None, wrong))
    return f"{key}: {_shown(value)} is not {describe(kinds)}"


def _fits(value: object, kinds: Kinds) -> bool:
    if isinstance(value, Mapping) and "_target_" in value:
        return True  # an object is built from it
    names = {kind.name for kind in kinds}
    if names & {"int", "float"}:  # a number or a tensor: a list is not what either is written as
        kinds = tuple(kind for kind in kinds if kind.name != "tensor")
    if any(_fits_one(value, kind) for kind in kinds if kind.name != "alias"):
        return True
    followed = _followed(kinds)
    return followed != kinds and any(_fits_one(value, kind) for kind in followed)


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
            return any(value == each and type(value) is type(each) for each in kind.items)
        case "tensor":  # made of a list of numbers
            return isinstance(value, list) and all(
                _fits_one(each, Kind("float")) or _fits_one(each, kind) for each in value
            )
        case "tuple":
            items = kind.items
            if not isinstance(value, list) or (items and len(items) != len(value)):
                return False
            return not items or all(_fits(*pair) for pair in zip(value, items, strict=True))
    return isinstance(value, list) and (not kind.items or all(_fits(each, kind.items) for each in value))


def describe(kinds: Kinds) -> str:
    """The alternatives in words."""
    parts = [_in_words(kind) for kind in kinds if kind.name not in ("tensor", "null")]
    parts += ["a list of numbers"] if any(kind.name == "tensor" for kind in kinds) and not parts else []
    parts += ["null"] if any(kind.name == "null" for kind in kinds) else []
    return " or ".join(dict.fromkeys(parts))


def _in_words(kind: Kind) -> str:
    if kind.name == "literal":
        return "one of " + ", ".join(str(each) for each in kind.items)
    if kind.name in ("list", "tuple"):
        elements: Sequence[Kind] = kind.items if kind.name == "list" else (kind.items or ((),))[0]
        if elements and (word := _MANY.get(elements[0].name)):
            count = f"{len(kind.items)} " if kind.name == "tuple" else ""
            return f"a list of {count}{word}"
    return _ONE[kind.name]


def _shown(value: object) -> str:
    """A value as a command line has it, with texts in quotes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    return repr(value)
