"""torch's compiler, imported when something compiles: it is half of the time that a run takes to start.

Lightning imports it to know compiled modules, and every optimizer to say that it is not to be compiled. A
stand-in answers both; for anything else it makes way for the real module.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

NAME = "torch._dynamo"


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        real = sys.modules.get(NAME)
        return (
            real is not None and not isinstance(real, Deferred) and isinstance(instance, real.OptimizedModule)
        )


class OptimizedModule(metaclass=_Kind):
    """What `torch.compile` gives, for `isinstance`."""


class Deferred(ModuleType):
    """Stands for the compiler's module until more is asked of it.

    Until it `is_open` whatever is asked for is answered without the real module, for a library that does no
    more than import it.
    """

    OptimizedModule = OptimizedModule
    is_open = False

    def graph_break(self) -> None:
        """Nothing: what is not compiled has no graph."""

    def disable(self, fn: Any = None, recursive: bool = True, **options: Any) -> Any:
        """The function as it is, where torch (with `wrapping`) or the importing library marks its own."""
        if self.is_open and "wrapping" not in options:
            return self.make_way().disable(fn, recursive, **options)
        return fn if fn is not None else lambda function: function

    def __getattr__(self, name: str) -> Any:
        if name == "__path__" and not self.is_open:  # so that `from torch._dynamo import` looks no further
            raise AttributeError(name)
        return getattr(self.make_way(), name)

    def make_way(self) -> Any:
        """Import the real module in this one's place."""
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
            vars(torch).pop(NAME.rpartition(".")[2], None)  # torch imports it by itself when it is asked for
        return import_module(NAME)


def defer() -> Deferred | None:
    """Put the stand-in in its place; None where the compiler is imported already."""
    if NAME in sys.modules:
        return None
    stand_in = Deferred(NAME)
    sys.modules[NAME] = stand_in
    torch._dynamo = stand_in
    return stand_in
