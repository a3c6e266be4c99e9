"""The code of custom classes and functions: files that are digested, never imported. No torch."""

from __future__ import annotations

import ast
import hashlib
import json
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from abreast.config.targets import OURS
from abreast.runtime.installed import is_installed
from abreast.static.modules import file_of


def code_digest(target: str) -> str:
    """A digest of the file that defines a custom class, and of the user's modules that it imports.

    What a library imports is the library's; its installed version is recorded beside the result.

    Args:
        target: The dotted name of the class or function.

    Returns:
        SHA-256 in hexadecimal; "" for one of ours, and where there is no file.
    """
    module = target
    while not _is_ours(target) and "." in module:
        module = module.rpartition(".")[0]
        file = file_of(module)
        if file is not None and file.is_file():
            digests = {name: _digest(path) for name, path in _with_imports(module, file).items()}
            if len(digests) == 1:
                return digests[module]
            return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
    return ""


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _with_imports(module: str, file: Path) -> dict[str, Path]:
    """The module, and all modules of the user's that it imports, directly or by others."""
    files = {module: file}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if is_installed(files[name]):
            continue
        stat = files[name].stat()
        for other in _imported(name, files[name], stat.st_mtime_ns, stat.st_size):
            path = None if other in files or _is_ours(other) else file_of(other)
            if path is not None and path.is_file() and not is_installed(path):
                files[other] = path
                waiting.append(other)
    return files


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


@lru_cache(maxsize=1024)
def _imported(module: str, file: Path, modified: int, size: int) -> tuple[str, ...]:
    """The names of the modules that a file imports anywhere, and of what may be modules in them."""
    if file.suffix != ".py":
        return ()
    try:
        with tokenize.open(file) as text:
            tree = ast.parse(text.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(dict.fromkeys(name for node in ast.walk(tree) for name in _names(node, package) if name))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    """The modules that a statement may import; those above a submodule are executed, too."""
    match node:
        case ast.Import():
            for alias in node.names:
                parts = alias.name.split(".")
                yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        case ast.ImportFrom():
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
