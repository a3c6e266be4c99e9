"""The folder of caches is where the system or the user says, or there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from abreast.runtime.cache_folder import cache_folder


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    expected = {
        ("", ""): tmp_path / ".cache" / "abreast",
        ("", "relative"): tmp_path / ".cache" / "abreast",
        (" ", "/x"): Path("/x/abreast"),
        ("~/mine", "/x"): tmp_path / "mine",
        ("mine", ""): tmp_path / "mine",
        ("off", ""): None,
        (" Off ", "/x"): None,
        ("~nobody-of-that-name/x", ""): None,
    }
    for (ours, system), folder in expected.items():
        monkeypatch.setenv("ABREAST_CACHE", ours)
        monkeypatch.setenv("XDG_CACHE_HOME", system)
        assert cache_folder() == folder
    assert not [*tmp_path.iterdir()]


def test_a_user_without_a_home_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ABREAST_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder() is None
