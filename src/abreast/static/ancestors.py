"""Whether a class derives from another one, read from the source files: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Collection

from abreast.static.definitions import Definition, bases, find


def derives_from(target: str, names: Collection[str]) -> bool | None:
    """Tell whether a class, or one that it derives from, has one of some names.

    Args:
        target: The dotted name of the class.
        names: Names of classes, without their modules.

    Returns:
        None where the files cannot tell: for a function, and for bases that are made at run time.
    """
    try:
        definition = find(target)
    except LookupError:
        return None
    if not isinstance(definition, Definition):
        return None
    return _derives(definition, names, set())


def _derives(definition: Definition, names: Collection[str], seen: set[ast.AST]) -> bool | None:
    node = definition.node
    if not isinstance(node, ast.ClassDef):
        return None
    if node.name in names:
        return True
    if node in seen:
        return False
    seen.add(node)
    is_known = not node.keywords  # a metaclass may do anything
    for name, parent in bases(definition):
        if name in names:
            return True
        result = None if parent is None else _derives(parent, names, seen)
        if result:
            return True
        is_known = is_known and result is False
    return False if is_known else None
