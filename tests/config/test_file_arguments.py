"""Files that arguments of custom classes name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from abreast.config.file_arguments import file_digests
from abreast.config.run_id import run_id
from support.helpers import compose

CONTENT = b"1,2,3"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.csv"
    path.write_bytes(CONTENT)
    (tmp_path / "mean").write_bytes(CONTENT)
    (tmp_path / "folder.d").mkdir()
    return path


@pytest.mark.parametrize(
    ("node", "names"),
    [
        ({"_target_": "mine.Net", "weights": "w.csv"}, ["mine.Net.weights"]),
        ({"_target_": "mine.Net", "options": {"files": ["w.csv", "none.csv"]}}, ["mine.Net.options.files.0"]),
        ({"loss": {"criterion": {"_target_": "mine.Loss", "file": "./w.csv"}}}, ["mine.Loss.file"]),
        ({"_target_": "mine.Net", "inner": {"_target_": "torch.nn.Linear", "name": "w.csv"}}, []),
        ({"_target_": "torch.nn.CrossEntropyLoss", "reduction": "w.csv"}, []),
        ({"_target_": "mine.Net", "reduction": "mean"}, []),  # a word, although a file is called so
        ({"_target_": "mine.Net", "folder": "folder.d", "text": "a\0.b", "long": "x." * 5000}, []),
        ({"name": "w.csv"}, []),
    ],
)
def test_what_a_custom_class_is_given(node: dict[str, Any], names: list[str], file: Path) -> None:
    assert file_digests(node) == dict.fromkeys(names, DIGEST)


def test_an_absolute_path_is_followed_and_a_link_in_a_circle_is_none(file: Path, tmp_path: Path) -> None:
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    node = {"_target_": "mine.Net", "weights": str(file), "other": "circle.csv"}
    assert file_digests(node) == {"mine.Net.weights": DIGEST}


def test_another_content_is_another_run(file: Path) -> None:
    config = {**compose(), "model": {"_target_": "mine.Net", "weights": "w.csv"}}
    before = run_id(config)
    assert run_id(config) == before
    file.write_bytes(b"1,2,30")
    assert run_id(config) != before
