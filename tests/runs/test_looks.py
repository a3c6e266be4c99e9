"""The log of looks at the test set: each look once, also after a process was killed while it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.runs.files import LOOKS
from abreast.runs.looks import note_look, read_looks


def test_each_look_is_noted_once(tmp_path: Path) -> None:
    for _ in range(2):
        note_look(tmp_path, "test/accuracy", "wave 1", 16)
        note_look(tmp_path, "test/accuracy", "wave 2", 24)
    assert [look["runs"] for look in read_looks(tmp_path)] == [16, 24]
    assert all(look["time"].startswith("2") for look in read_looks(tmp_path))


def test_a_line_that_was_cut_off_is_left_out_and_spoils_no_other(tmp_path: Path) -> None:
    note_look(tmp_path, "test/accuracy", "wave 1", 16)
    file = tmp_path / LOOKS
    file.write_bytes(file.read_bytes() + b'{"time": "20')
    note_look(tmp_path, "test/accuracy", "wave 2", 24)
    assert [look["runs"] for look in read_looks(tmp_path)] == [16, 24]


def test_without_a_log_there_was_no_look(tmp_path: Path) -> None:
    assert read_looks(tmp_path) == []


def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / LOOKS).write_bytes(b"\xff")
    with pytest.raises(RunError, match=r"looks\.jsonl: cannot be read"):
        read_looks(tmp_path)
