"""A digest of a network that was given in Python: of its source, and of its weights if it is made already."""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from abreast.runtime.installed import is_installed

DIGITS = 10  # hexadecimal
PLAIN = (bool, int, float, complex, str, bytes, type(None))
SETTINGS = (*PLAIN, FunctionType, tuple)  # of a module
LOOKUPS = ("LOAD_GLOBAL", "LOAD_NAME")
MEMBERS = (*PLAIN, FunctionType, type, list, tuple, dict, Tensor, nn.Module)  # of a class


def network_name(network: Any) -> str:
    """The name of a network, or of what makes one, with a digest: `MyNet-0123456789`.

    What counts is the source of its classes and functions, of the others that they use, and the values of
    globals that they use; not what is installed. Of a network that is made already its settings and weights
    count, too.

    Args:
        network: A class, a function that makes a network, or a network.
    """
    source = network if isinstance(network, (type, FunctionType, functools.partial)) else type(network)
    title = re.sub(r"\W+", "", getattr(source, "__name__", "") or type(network).__name__)
    return f"{title or 'network'}-{digest(network)}"


def digest(value: Any) -> str:
    """The first ten hexadecimal digits of SHA-256 over what defines a value."""
    content = hashlib.sha256()
    for part in _Parts().of(value):
        content.update(part)
        content.update(b"\0")
    return content.hexdigest()[:DIGITS]


class _Parts:
    """What defines values, each class and function once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # so that no other object takes an `id`

    def of(self, value: Any) -> Iterator[bytes]:
        """The parts of a value, in a fixed order."""
        if isinstance(value, PLAIN):
            yield json.dumps([type(value).__name__, repr(value)]).encode()
        elif isinstance(value, Tensor):
            yield f"{value.dtype}{list(value.shape)}".encode()
            stored = value.detach().cpu().contiguous().reshape(-1)
            yield stored.view(torch.uint8).numpy().tobytes()
        elif isinstance(value, np.ndarray):
            yield from self.of(value.tolist()) if value.dtype.hasobject else array_parts(value)
        elif isinstance(value, (list, tuple)):
            yield type(value).__name__.encode()
            for item in value:
                yield from self.of(item)
        elif isinstance(value, dict):
            yield b"dict"
            for key, item in value.items():
                yield from self.of(key)
                yield from self.of(item)
        elif id(value) in self._seen:
            yield b"again"
        else:
            self._seen.add(id(value))
            self._kept.append(value)
            yield from self._of_object(value)

    def _of_object(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, functools.partial):
            yield b"partial"
            yield from self.of([value.func, [*value.args], value.keywords])
        elif isinstance(value, MethodType):
            yield from self.of([value.__func__, value.__self__])
        elif isinstance(value, ModuleType) or _is_installed(value):
            yield _name(value).encode()
        elif isinstance(value, FunctionType):
            yield from self._of_function(value)
        elif isinstance(value, type):
            yield from self._of_class(value)
        elif isinstance(value, nn.Module):
            yield from self._of_network(value)
        else:
            yield from self.of(type(value))
            yield from self.of(vars(value) if dataclasses.is_dataclass(value) else [])

    def _of_function(self, function: FunctionType) -> Iterator[bytes]:
        yield _source(function).encode()
        yield from self.of([function.__defaults__ or (), function.__kwdefaults__ or {}])
        for cell in function.__closure__ or ():
            if (content := _content(cell)) is not function:
                yield from self.of(content)
        for name in _names(function.__code__):
            if name in function.__globals__:
                yield name.encode()
                yield from self.of(function.__globals__[name])

    def _of_class(self, kind: type) -> Iterator[bytes]:
        yield _name(kind).encode()
        for base in kind.__bases__:
            yield from self.of(base)
        for name, member in sorted(vars(kind).items()):
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            if isinstance(member, property):
                member = [member.fget, member.fset]
            if isinstance(member, functools.cached_property):
                member = member.func
            is_ours = isinstance(member, FunctionType) or not name.startswith("__")
            if is_ours and isinstance(member, MEMBERS):
                yield name.encode()
                yield from self.of(member)

    def _of_network(self, network: nn.Module) -> Iterator[bytes]:
        yield repr(network).encode()
        for name, module in network.named_modules():
            yield name.encode()
            yield from self.of(type(module))
            settings = {
                key: value
                for key, value in sorted(vars(module).items())
                if not key.startswith("_") and key != "training" and isinstance(value, SETTINGS)
            }
            yield from self.of(settings)
        yield from self.of(dict(network.state_dict()))


def array_parts(values: Any) -> Iterator[bytes]:
    """Type, shape and bytes of an array."""
    yield f"{values.dtype.str}{list(values.shape)}".encode()
    yield np.ascontiguousarray(values).tobytes()


def _source(function: FunctionType) -> str:
    """The source of a function; of a lambda, and of one without a source, what it is compiled to."""
    if function.__name__ != "<lambda>":
        try:
            return textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError, IndentationError):
            pass
    return json.dumps([*_compiled(function.__code__)])


def _compiled(code: CodeType) -> Iterator[str]:
    yield from (code.co_code.hex(), repr(code.co_names), repr(code.co_varnames))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _compiled(constant)
        else:  # the order of a set is another one in each process
            yield repr(sorted(constant, key=repr) if isinstance(constant, frozenset) else constant)


def _names(code: CodeType) -> list[str]:
    """The globals that a function's code, and the functions in it, look up; sorted."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in LOOKUPS}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names.update(_names(constant))
    return sorted(names)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _name(value: Any) -> str:
    module = getattr(value, "__module__", "") or ""
    module = "" if module == "__main__" else module
    return f"{module}.{getattr(value, '__qualname__', getattr(value, '__name__', type(value).__name__))}"


def _is_installed(value: Any) -> bool:
    """Whether a class or function is of an installed package, or of Python itself."""
    if isinstance(value, nn.Module) or not callable(value):
        return False
    root = (getattr(value, "__module__", None) or "builtins").partition(".")[0]
    if root != "__main__" and root in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(root), "__file__", None)
    return root != "__main__" and file is not None and is_installed(Path(file))
