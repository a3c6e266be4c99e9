"""A quicker import of Lightning: importing this module is what does it, before anything imports Lightning.

Lightning imports all of torchmetrics, whose image and audio metrics import torchvision and scipy.signal if
they are installed, and torch's compiler: most of the time that it takes, for nothing that is used here. While
Lightning is imported, torchmetrics is told that the former are not, and the latter is put off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from typing import Any

from abreast.runtime.lazy_dynamo import defer

imports: Any = import_module("lightning_utilities.core.imports")
UNUSED = frozenset({"scipy", "torchvision"})


@contextmanager
def _found_missing(packages: frozenset[str]) -> Iterator[None]:
    """Let the checks of `lightning_utilities` for an installed package miss these, for a while."""
    find_spec, version = imports.find_spec, imports._version

    def find_spec_but(name: str) -> ModuleSpec | None:
        return None if name in packages else find_spec(name)

    def version_but(name: str) -> str:
        if name in packages:
            raise PackageNotFoundError(name)
        return str(version(name))

    imports.find_spec, imports._version = find_spec_but, version_but
    try:
        yield
    finally:
        imports.find_spec, imports._version = find_spec, version
        imports.package_available.cache_clear()
        imports.module_available.cache_clear()


def _import() -> None:
    with _found_missing(UNUSED):
        import_module("lightning.pytorch")


compiler = defer()
try:
    _import()
except ImportError:  # a Lightning that wants more of the compiler
    if compiler is None:
        raise
    compiler.make_way()
    for name in [each for each in sys.modules if each.partition(".")[0] == "lightning"]:
        del sys.modules[name]
    _import()
if compiler is not None:
    compiler.is_open = True
