"""When garbage is looked for."""

from __future__ import annotations

import gc
import sys

import pytest

from abreast.runtime import garbage
from support.patches import needs_patch


@needs_patch("garbage")
def test_none_is_looked_for_while_libraries_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    frozen = gc.get_freeze_count()
    try:
        with garbage.imports():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


def test_as_usual_where_they_were_imported_before() -> None:
    frozen = gc.get_freeze_count()
    with garbage.imports():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_a_caller_that_collects_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    gc.disable()
    try:
        with garbage.imports():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
