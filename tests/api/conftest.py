"""What the tests of the API share: a folder to work in, a short sweep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import abreast

SHORT = ("trainer=cpu", "trainer.max_epochs=2", "logger=none", "callbacks.progress=null")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> abreast.Sweep:
    """Two losses on two seeds."""
    folder = tmp_path_factory.mktemp("api")
    return abreast.sweep(*SHORT, loss=["mse", "hinge"], seed=range(2), dir=folder / "sweep")


@pytest.fixture(autouse=True)
def _work_folder(tmp_path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)
