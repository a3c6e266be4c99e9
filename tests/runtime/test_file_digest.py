"""The digest of a file of any size."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from abreast.runtime.file_digest import PART, WITHOUT_HOLES, file_digest


@pytest.mark.parametrize("size", [0, 1, PART, 2 * PART + 1])
def test_it_is_that_of_the_content(size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert file_digest(file) == hashlib.sha256(content).hexdigest()


def test_a_large_file_of_holes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "holes"
    with path.open("wb") as file:
        file.truncate(WITHOUT_HOLES + 1)
    with path.open("rb") as file:
        assert file_digest(file) is None
        assert file.tell() == 0
