"""A faster import of Lightning. Import this module before anything else imports Lightning.

Lightning imports all of torchmetrics, whose image and audio metrics import torchvision and scipy.signal if
these are installed, and torch's compiler. That is most of its import time, and nothing of it is used here.
During the import torchmetrics is told that neither package is installed, and the compiler is replaced by a
stand-in (see `abreast.runtime.lazy_dynamo`). So is Triton, which torch's counter of operations imports to
recognise its kernels: that counter counts none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from abreast.runtime.lazy_dynamo import defer
from abreast.runtime.notice import notice
from abreast.runtime.patches import is_on

UNUSED = frozenset({"scipy", "torchvision"})
TRITON = "triton", "triton.runtime", "triton.runtime.jit"


@contextmanager
def _reported_missing(packages: frozenset[str]) -> Iterator[None]:
    """Let the checks of `lightning_utilities` for an installed package miss these inside."""
    imports: Any = import_module("lightning_utilities.core.imports")
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


class _NoKernel:
    """In the place of the class of Triton's kernels."""


@contextmanager
def _without_triton() -> Iterator[None]:
    """Let `torch.utils.flop_counter`, which Lightning imports, find a stand-in for Triton inside."""
    if "triton" in sys.modules or find_spec("triton") is None:
        yield
        return
    modules = {name: ModuleType(name) for name in TRITON}
    vars(modules[TRITON[-1]])["JITFunction"] = _NoKernel
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in modules.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _import() -> None:
    with _reported_missing(UNUSED), _without_triton():
        import_module("lightning.pytorch")


def _import_with_stand_in() -> None:
    stand_in = defer()
    try:
        _import()
    except ImportError:  # a Lightning that needs more of the compiler
        if stand_in is None:
            raise
        stand_in.make_way()
        for name in [module for module in sys.modules if module.partition(".")[0] == "lightning"]:
            del sys.modules[name]
        _import()
    if stand_in is not None:
        stand_in.is_open = True


if is_on("fast_import"):
    with notice("Loading PyTorch and Lightning ..."):
        _import_with_stand_in()
