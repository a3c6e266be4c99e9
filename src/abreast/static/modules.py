"""Installed modules as source files: found, read and parsed, never imported."""

from __future__ import annotations

import ast
import importlib.util
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Imported:
    """`from module import name`, or `import module` where `name` is empty."""

    module: str
    name: str = ""


Bound = Imported | ast.ClassDef | Function | ast.expr


@dataclass(eq=False)
class Module:
    """What a file's top level binds, and what it star-imports from; `is_dynamic`: it may make more names."""

    name: str
    path: Path
    bindings: dict[str, Bound] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    is_dynamic: bool = False

    @property
    def is_package(self) -> bool:
        """Whether other modules lie inside."""
        return self.path.name == "__init__.py"

    @property
    def names(self) -> set[str]:
        """The public names, those of star imports and of submodules included."""
        names = {name for name in self.bindings if not name.startswith("_")}
        if self.is_package:
            names |= {path.stem for path in self.path.parent.glob("[!_]*.py")}
            names |= {path.parent.name for path in self.path.parent.glob("[!_]*/__init__.py")}
        for star in self.stars:
            source = parse(star)
            if source is not None:
                names |= source.names
        return names


def is_installed(package: str) -> bool:
    """Whether a top-level package or module can be imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # __main__, and modules made by hand
        return True


@cache
def file_of(name: str) -> Path | None:
    """The file of a module, or the folder of a namespace package; None for no module."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except ValueError:
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.has_location else None
    # find_spec of a submodule would import its parents.
    folders = [Path(folder).joinpath(*rest[:-1]) for folder in spec.submodule_search_locations or ()]
    forms = [f"{rest[-1]}/__init__.py", *(f"{rest[-1]}{suffix}" for suffix in (".py", *EXTENSION_SUFFIXES))]
    for folder in folders:
        for form in forms:
            if (folder / form).is_file():
                return folder / form
        if (folder / rest[-1]).is_dir():
            return folder / rest[-1]
    return None


@cache
def parse(name: str) -> Module | None:
    """A module's source file, parsed; None where there is none that can be read."""
    path = file_of(name)
    if path is None or path.suffix != ".py":
        return None
    try:
        with tokenize.open(path) as file:
            source = file.read()
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return None
    module = Module(name, path, is_dynamic="globals()" in source or "sys.modules[" in source)
    _bind(module, tree.body)
    module.is_dynamic |= "__getattr__" in module.bindings
    return module


def _bind(module: Module, body: Iterable[ast.stmt], *, replace: bool = True) -> None:
    for node in body:
        for name, value in _bound(module, node):
            if replace or name not in module.bindings:
                module.bindings[name] = value
        match node:
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                module.stars.append(_absolute(module, node))
            case ast.If():
                _bind(module, node.orelse, replace=replace)
                _bind(module, node.body, replace=replace)
            case ast.With():
                _bind(module, node.body, replace=replace)
            case ast.Try():
                works = all(map(_can_import, node.body))
                if works:
                    _bind(module, [*node.body, *node.orelse], replace=replace)
                for handler in node.handlers:  # what stands in where an import fails
                    _bind(module, handler.body, replace=replace and not works)
                _bind(module, node.finalbody, replace=replace)


def _can_import(node: ast.stmt) -> bool:
    match node:
        case ast.ImportFrom(module=str(name), level=0):
            return is_installed(name.partition(".")[0])
        case ast.Import():
            return all(is_installed(alias.name.partition(".")[0]) for alias in node.names)
    return True


def _bound(module: Module, node: ast.stmt) -> Iterator[tuple[str, Bound]]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name, node
        case ast.Import():
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, Imported(alias.name)) if alias.asname else (first, Imported(first))
        case ast.ImportFrom():
            for alias in node.names:
                if alias.name != "*":
                    yield alias.asname or alias.name, Imported(_absolute(module, node), alias.name)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])
