"""The id that trackers know a run by."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from abreast.runs.files import TRACKER_ID
from abreast.runs.tracker_id import tracker_id


def test_it_stays_with_the_directory(tmp_path: Path) -> None:
    first, is_new = tracker_id(tmp_path / "a")
    assert is_new
    (tmp_path / "a").rename(tmp_path / "b")
    assert tracker_id(tmp_path / "b") == (first, False)


def test_runs_of_one_seed_have_different_ids(tmp_path: Path) -> None:
    ids = set()
    for name in "abc":
        random.seed(0)
        np.random.seed(0)
        ids.add(tracker_id(tmp_path / name)[0])
    assert len(ids) == 3


@pytest.mark.parametrize("content", ["", "0123", "../../x\n", "0123456789abcdef\nmore", "x" * 100])
def test_what_is_no_id_is_replaced(content: str, tmp_path: Path) -> None:
    (tmp_path / TRACKER_ID).write_text(content)
    identity, is_new = tracker_id(tmp_path)
    assert is_new
    assert (tmp_path / TRACKER_ID).read_text() == f"{identity}\n"
