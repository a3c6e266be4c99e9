"""Which code is the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import abreast
from abreast.runtime.installed import is_installed


@pytest.mark.parametrize(
    "file", [json.__file__, np.__file__, abreast.__file__, "<frozen importlib._bootstrap>"]
)
def test_python_packages_and_abreast_are_installed(file: str) -> None:
    assert is_installed(Path(file))


def test_a_module_elsewhere_is_the_user_s(tmp_path: Path) -> None:
    assert not is_installed(tmp_path / "mine.py")
    (tmp_path / "linked.py").symlink_to(json.__file__)
    assert is_installed(tmp_path / "linked.py")
