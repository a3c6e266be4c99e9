"""Objects that were given in Python, for which no configuration has words: networks, data. No torch.

A configuration holds the name of such an object, with a digest of it; whoever builds it looks it up here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from abreast.errors import RunError
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


def current_objects() -> dict[tuple[Kind, str], Any]:
    """What can be looked up now, to hand it to another process."""
    return dict(_objects)


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
