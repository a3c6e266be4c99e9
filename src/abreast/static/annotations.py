"""What a parameter takes, read from its annotation in the source: alternatives and their bounds."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from abreast.static.definitions import last_name, lookup
from abreast.static.modules import Module
from abreast.static.signatures import Parameter

_KINDS = {
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
_OPERATORS = ("ge", "gt", "le", "lt")  # of annotated_types, by the classes Ge, Gt, Le and Lt


@dataclass(frozen=True)
class Bound:
    """One end of a range, and how the source writes its limit."""

    operator: str
    limit: float
    text: str

    def allows(self, value: float) -> bool:
        """Whether a number is on the right side."""
        return {
            "ge": value >= self.limit,
            "gt": value > self.limit,
            "le": value <= self.limit,
            "lt": value < self.limit,
        }[self.operator]


@dataclass(frozen=True)
class Kind:
    """One alternative, what it holds, and the bounds of a number.

    list: its elements' kinds; tuple: each element's kinds; literal: the values; alias: an expression and its
    module, which are followed only for a value that fits nothing else: it may take reading many files.
    """

    name: str  # null, bool, int, float, str, list, tuple, mapping, tensor, literal, alias or any
    items: tuple[Any, ...] = ()
    bounds: tuple[Bound, ...] = ()


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
    """The alternatives of an annotation; anything, if a part of it is not a known name."""
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
            name = last_name(annotation)
            if name in _KINDS:
                return (Kind(_KINDS[name]),)
            return ANYTHING if module is None else (Kind("alias", (annotation, module)),)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _of_subscript(name, inner, module)
    return ANYTHING


def followed(kinds: Kinds) -> Kinds:
    """The kinds with every alias replaced by its definition."""
    result: list[Kind] = []
    for kind in kinds:
        if kind.name != "alias":
            result.append(kind)
            continue
        annotation, module = kind.items
        alias = lookup(module, annotation)
        if alias is not None and isinstance(alias.node, ast.expr):
            result += followed(read(alias.node, alias.module))
        else:
            result += ANYTHING
    return tuple(result)


def _of_subscript(name: str, inner: ast.expr, module: Module | None) -> Kinds:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Optional":
        return (*read(inner, module), Kind("null"))
    if name == "Union":
        return tuple(kind for part in parts for kind in read(part, module))
    if name == "Annotated":
        bounds = tuple(_bounds(parts[1:]))
        return tuple(replace(kind, bounds=kind.bounds + bounds) for kind in read(parts[0], module))
    if name == "Final":
        return read(parts[0], module)
    if name == "Literal":
        values = tuple(part.value for part in parts if isinstance(part, ast.Constant))
        return (Kind("literal", values),) if len(values) == len(parts) else ANYTHING
    kind = _KINDS.get(name)
    if kind == "tuple" and not (isinstance(parts[-1], ast.Constant) and parts[-1].value is ...):
        return (Kind("tuple", tuple(read(part, module) for part in parts)),)
    if kind in ("tuple", "list"):
        return (Kind("list", read(parts[0], module)),)
    return (Kind("mapping"),) if kind == "mapping" else ANYTHING


def _bounds(metadata: Sequence[ast.expr]) -> Iterator[Bound]:
    """The bounds among an `Annotated`'s metadata: `Ge(0)`, `annotated_types.Lt(2**32)`."""
    for node in metadata:
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[limit]):
                operator, value = name.lower(), _number(limit)
                if operator in _OPERATORS and value is not None:
                    yield Bound(operator, value, ast.unparse(limit).replace(" ", ""))


def _number(node: ast.expr) -> float | None:
    """The value of a literal number or of a power of two."""
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, exponent = _number(left), _number(right)
            return None if base is None or exponent is None else base**exponent
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Constant(value=int() | float() as number):
            return number
    return None


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
