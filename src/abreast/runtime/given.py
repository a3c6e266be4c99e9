"""Objects that were given in Python, for which no configuration has words: networks, data. No torch.

A configuration holds the name of such an object, with a digest of it; whoever builds it looks it up here.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from abreast.errors import ConfigError, RunError, first_line
from abreast.suggestions import listed

Kind = Literal["model", "data"]

_objects: dict[tuple[Kind, str], Any] = {}


@contextmanager
def given_objects(objects: Mapping[tuple[Kind, str], Any]) -> Iterator[None]:
    """Let these be looked up inside, by their kind and their name, and no others."""
    before = dict(_objects)
    _objects.clear()
    _objects.update(objects)
    try:
        yield
    finally:
        _objects.clear()
        _objects.update(before)


def has_objects() -> bool:
    """Whether anything was given."""
    return bool(_objects)


def packed_objects() -> bytes:
    """What can be looked up now, to hand it to another process, which `unpack` it; empty for nothing.

    Raises:
        ConfigError: An object cannot be pickled. The message names it.
    """
    if not _objects:
        return b""
    for (kind, name), value in _objects.items():
        _try_pickling(kind, name, value)
    content: bytes = _pickler().dumps(_objects)
    return content


def _try_pickling(kind: Kind, name: str, value: Any) -> None:
    try:
        _pickler().dumps(value)
    except Exception as error:  # its own methods may raise anything
        reason = first_line(error)
        raise ConfigError(
            f"{kind}: {name} cannot be handed to another process ({reason}). Train in this one: "
            "hydra.launcher.engine=none hydra.launcher.devices=1"
        ) from None


def unpack(content: bytes) -> dict[tuple[Kind, str], Any]:
    """The objects of `packed_objects`, of the same command."""
    objects: dict[tuple[Kind, str], Any] = pickle.loads(content) if content else {}
    return objects


def _pickler() -> Any:
    """cloudpickle, which takes classes and functions of a notebook or script; joblib brings its own."""
    for name in ("cloudpickle", "joblib.externals.cloudpickle"):
        try:
            return importlib.import_module(name)
        except ImportError:  # noqa: PERF203
            continue
    return pickle


def given_object(kind: Kind, name: str) -> Any:
    """The object of that name.

    Raises:
        RunError: It was not given to this process, or another one was.
    """
    if (kind, name) in _objects:
        return _objects[kind, name]
    others = [other for other_kind, other in _objects if other_kind == kind]
    if others:
        raise RunError(
            f"{kind}: the run was made with {name}, and what is given now is {listed(others)}. Give what it "
            "was made with, its source and its values unchanged"
        )
    raise RunError(
        f"{kind}: {name} was given in Python, to another process than this one. Give it again: "
        f"abreast.load(RUN, {kind}=...), abreast.resume(RUN, {kind}=...)"
    )
