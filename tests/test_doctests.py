"""The examples in docstrings run and print what they say."""

from __future__ import annotations

import doctest
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

PACKAGES = ("losses", "metrics", "models", "optim")
OTHERS = ("abreast.config.criterion_specs",)


def modules() -> Iterator[str]:
    for package in PACKAGES:
        path = import_module(f"abreast.{package}").__path__
        yield from (module.name for module in pkgutil.iter_modules(path, f"abreast.{package}."))
    yield from OTHERS


NAMES = sorted(modules())
assert len(NAMES) > 12


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
