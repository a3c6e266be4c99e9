"""Paths of users that are not there, and paths that a shell would split."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from typing import cast

import pytest

from abreast.report.sweep_end import to_compare
from abreast.runtime.output import Output
from abreast.runtime.user_path import resume_argument, user_path

NOBODY = "~nobody-of-that-name/run"


def test_home_is_expanded_where_it_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/run") == tmp_path / "run"
    with pytest.raises(RuntimeError, match="home directory"):
        Path(NOBODY).expanduser()
    assert user_path(NOBODY) == Path(NOBODY)


@pytest.mark.parametrize("name", ["plain", "a b", "it's", "$(x)", "a;b", "🦊", "a\nb"])
def test_what_is_said_can_be_copied_to_a_shell(name: str) -> None:
    assert shlex.split(resume_argument(Path(name))) == [f"resume={name}"]
    assert shlex.split(to_compare(Path(name)))[-1] == name


def test_an_output_without_the_letters() -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="ascii", errors="strict", write_through=True)
    with pytest.raises(UnicodeEncodeError):
        stream.write("ü")
    Output(cast("io.TextIOWrapper", stream), "standard output").write("a ü\n")
    assert content.getvalue() == b"a ?\n"
