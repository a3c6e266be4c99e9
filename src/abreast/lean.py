"""A quicker import of Lightning: importing this module is what does it, before anything imports Lightning.

Lightning imports all of torchmetrics, whose image and audio metrics import torchvision and scipy.signal if
they are installed: half of the time that Lightning takes to import, for nothing that is used here. While
Lightning is imported, torchmetrics is told that they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from typing import Any

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


with _found_missing(UNUSED):
    import lightning.pytorch  # noqa: F401
