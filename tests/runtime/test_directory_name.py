"""Names of directories that the file system takes, and that stay different."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from abreast.runtime.directory_name import MOST_PATH_BYTES, shortened

LONG = "loss.criterion.weight=[" + ",".join(["1.0001"] * 60) + "]"


@pytest.mark.parametrize("name", [LONG, "ä" * 200, "字" * 120, "." * 300, f"{LONG}/{LONG}", "a/" * 3 + LONG])
def test_a_long_name_becomes_one_that_can_be_made(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        (tmp_path / name).mkdir(parents=True)
    short = shortened(tmp_path / name)
    short.mkdir(parents=True)
    assert shortened(tmp_path / name) == short
    assert shortened(short) == short
    assert shortened(tmp_path / f"{name}x") != short


@pytest.mark.parametrize("name", ["runs/a", "/a/b", ".", "../x", "a" * 255])
def test_other_names_stay(name: str) -> None:
    assert shortened(name) == Path(name)


def test_a_long_path_of_short_names(tmp_path: Path) -> None:
    path = tmp_path / "/".join(["n" * 200] * 25)
    assert len(os.fsencode(path)) > MOST_PATH_BYTES
    short = shortened(path)
    assert len(os.fsencode(short)) < MOST_PATH_BYTES
    short.mkdir(parents=True)
