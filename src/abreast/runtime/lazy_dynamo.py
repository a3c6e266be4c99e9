"""torch's compiler, imported when something compiles: its import is half of the start-up time of a run.

Lightning imports it to recognise compiled modules, and every optimizer to mark its `step` as not to be
compiled. A stand-in answers both; for anything else it is replaced by the real module.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from abreast.runtime.patches import is_on

NAME = "torch._dynamo"
# What inspect and unittest ask of every module: torch does so within imports that the real one would disturb.
ASKED_OF_ALL = frozenset({"__file__", "__warningregistry__", "__wrapped__"})


class _CompiledCheck(type):
    def __instancecheck__(cls, instance: object) -> bool:
        real = sys.modules.get(NAME)
        return (
            real is not None and not isinstance(real, Deferred) and isinstance(instance, real.OptimizedModule)
        )


class OptimizedModule(metaclass=_CompiledCheck):
    """What `torch.compile` gives, for `isinstance`."""


class Deferred(ModuleType):
    """The compiler's module until more of it is used.

    While `is_open` is False, `disable` never imports the real module: the importing library only marks its
    own functions.
    """

    OptimizedModule = OptimizedModule
    is_open = False

    def graph_break(self) -> None:
        """Do nothing: code that is not compiled has no graph."""

    def disable(self, fn: Any = None, recursive: bool = True, **options: Any) -> Any:
        """The unchanged function, where torch (with `wrapping`) or the importing library marks its own."""
        if self.is_open and "wrapping" not in options:
            return self.make_way().disable(fn, recursive, **options)
        return fn if fn is not None else lambda function: function

    def __getattr__(self, name: str) -> Any:
        if name == "__path__" and not self.is_open:  # so that `from torch._dynamo import` looks no further
            raise AttributeError(name)
        if name in ASKED_OF_ALL:
            raise AttributeError(name)
        return getattr(self.make_way(), name)

    def make_way(self) -> Any:
        """Replace this module by the real one, and return it."""
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
            vars(torch).pop(NAME.rpartition(".")[2], None)  # torch imports it by itself when it is asked for
        return import_module(NAME)


def defer() -> Deferred | None:
    """Put the stand-in in its place; None where the compiler is imported already or the patch is off."""
    if NAME in sys.modules or not is_on("lazy_dynamo"):
        return None
    stand_in = Deferred(NAME)
    sys.modules[NAME] = stand_in
    torch._dynamo = stand_in
    return stand_in
