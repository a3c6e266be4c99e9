"""Constants of classes, read from their source files: nothing is imported."""

from __future__ import annotations

import ast
from functools import cache

from abreast.static.definitions import Definition, bases, find

MOST_BASES = 20  # on the way to the class that has the constant


@cache
def constant(target: str, name: str) -> object:
    """The constant that a class, or the first of its bases that has one, gives an attribute.

    Args:
        target: The dotted name of the class.
        name: The attribute, such as `higher_is_better`.

    Returns:
        A number, text, bool or None; None too where the files do not tell.
    """
    try:
        definition = find(target)
    except LookupError:
        return None
    return _constant(definition if isinstance(definition, Definition) else None, name, 0)


def _constant(definition: Definition | None, name: str, depth: int) -> object:
    if definition is None or not isinstance(definition.node, ast.ClassDef) or depth > MOST_BASES:
        return None
    for member in definition.node.body:
        match member:
            case (
                ast.AnnAssign(target=ast.Name(id=attribute), value=ast.Constant(value=value))
                | ast.Assign(targets=[ast.Name(id=attribute)], value=ast.Constant(value=value))
            ) if attribute == name:
                return value
    inherited = (_constant(parent, name, depth + 1) for _, parent in bases(definition))
    return next((value for value in inherited if value is not None), None)
