"""Where a dotted name is defined, found in the source files without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from abreast.static.modules import Function, Imported, Module, file_of, is_installed, parse
from abreast.suggestions import nearest

PLAIN_BASES = {"object", "ABC", "Generic", "Protocol"}  # which add no constructor and no constant


class PackageMissingError(LookupError):
    """The top-level package of a dotted name is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed")
        self.package = package


class NameMissingError(LookupError):
    """A module has no such name; `names` are those it has."""

    def __init__(self, owner: str, name: str, names: Iterable[str]) -> None:
        super().__init__(f"{owner} has no {name}")
        self.owner = owner
        self.name = name
        self.names = sorted(names)


@dataclass(frozen=True, eq=False)
class Definition:
    """A class, a function or an expression, and the module it stands in."""

    module: Module
    node: ast.ClassDef | Function | ast.expr


class _UnknownError(Exception):
    """The source files cannot tell."""


def find(target: str) -> Module | Definition | None:
    """What a dotted name leads to; None where the files cannot tell.

    Raises PackageMissingError, and NameMissingError for a name that cannot exist.
    """
    try:
        return _walk(target)
    except _UnknownError:
        return None


def lookup(module: Module, expression: ast.expr) -> Definition | None:
    """What a name or a dotted name means inside a module; None if it cannot be told."""
    try:
        meaning = _evaluate(module, expression, set())
    except (_UnknownError, LookupError):
        return None
    return meaning if isinstance(meaning, Definition) else None


def bases(definition: Definition) -> Iterator[tuple[str, Definition | None]]:
    """The last name and the definition of what a class derives from, in order.

    Left out are those that add nothing; the definition is None where it cannot be told.
    """
    assert isinstance(definition.node, ast.ClassDef)
    for base in definition.node.bases:
        expression = base.value if isinstance(base, ast.Subscript) else base
        if (name := last_name(expression)) not in PLAIN_BASES:
            yield name, lookup(definition.module, expression)


def last_name(expression: ast.expr) -> str:
    """The name that a dotted one, or a call of it, ends with; empty for any other expression."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return last_name(function)
    return ""


def _walk(target: str) -> Module | Definition:
    path, *rest = target.split(".")
    if not is_installed(path):
        raise PackageMissingError(path)
    # A submodule on the way is entered without reading its package's file: torch's own takes 30 ms.
    while len(rest) > 1 and file_of(f"{path}.{rest[0]}") is not None:
        path = f"{path}.{rest.pop(0)}"
    reached: Module | Definition = _module(path)
    while rest:
        name = rest.pop(0)
        reached = _member(reached, name, set(), rest)
    return reached


def _module(name: str) -> Module:
    module = parse(name)
    if module is None:
        raise _UnknownError
    return module


def _member(
    owner: Module | Definition, name: str, seen: set[tuple[str, str]], beyond: Sequence[str] = ()
) -> Module | Definition:
    if isinstance(owner, Definition):
        return _class_member(owner, name)
    if (owner.name, name) in seen:
        # `from package import module` inside that package's own file means the file beside it.
        return _module(f"{owner.name}.{name}")
    seen.add((owner.name, name))
    bound = owner.bindings.get(name)
    if isinstance(bound, Imported):
        source = _module(bound.module)
        return _member(source, bound.name, seen) if bound.name else source
    if isinstance(bound, ast.Name | ast.Attribute):  # X = Y
        return _evaluate(owner, bound, seen)
    if bound is not None:
        return Definition(owner, bound)
    may_have = owner.is_dynamic
    for star in owner.stars:
        try:
            return _member(_module(star), name, seen)
        except NameMissingError:  # noqa: PERF203
            continue
        except _UnknownError:
            may_have = True
    if file_of(f"{owner.name}.{name}") is not None:
        return _module(f"{owner.name}.{name}")
    known = owner.names
    if may_have and not _is_slip(owner, name, known, beyond):
        raise _UnknownError
    raise NameMissingError(owner.name, name, known)


def _is_slip(owner: Module, name: str, known: Iterable[str], beyond: Sequence[str]) -> bool:
    """Whether a name that may be made at run time is a known one misspelt: the rest exists in that."""
    near = nearest(name, known, cutoff=0.7)
    if near is None or not beyond:
        return False
    try:
        _walk(".".join([owner.name, near, *beyond]))
    except (_UnknownError, LookupError):
        return False
    return True


def _evaluate(module: Module, expression: ast.expr, seen: set[tuple[str, str]]) -> Module | Definition:
    if isinstance(expression, ast.Name):
        return _member(module, expression.id, seen)
    if isinstance(expression, ast.Attribute):
        return _member(_evaluate(module, expression.value, seen), expression.attr, seen)
    raise _UnknownError


def _class_member(owner: Definition, name: str) -> Definition:
    if isinstance(owner.node, ast.ClassDef):
        for node in owner.node.body:
            if isinstance(node, Function | ast.ClassDef) and node.name == name:
                return Definition(owner.module, node)
    raise _UnknownError  # inherited, or made by a metaclass
