"""The rows that an unfinished run has logged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.loggers.row_journal import RowJournal


def test_the_rows_before_a_step_are_kept(tmp_path: Path) -> None:
    journal = RowJournal(tmp_path / "rows.jsonl")
    assert journal.restart(9) == {}
    journal.append({0: {"a": 1.5}, 4: {"a": 2.0, "b": math.inf}})
    journal.append({8: {"a": 3.0}, 12: {"a": 4.0}})
    assert journal.restart(9) == {0: {"a": 1.5}, 4: {"a": 2.0, "b": math.inf}, 8: {"a": 3.0}}
    journal.append({9: {"a": 5.0}})
    assert [*journal.restart(100)] == [0, 4, 8, 9]
    assert journal.restart(0) == {}


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    journal = RowJournal(tmp_path / "rows.jsonl")
    journal.append({0: {"a": 1.5}, 4: {"a": 2.0}})
    journal.path.write_bytes(journal.path.read_bytes()[:-3])
    assert journal.restart(9) == {0: {"a": 1.5}}


@pytest.mark.parametrize(
    "line", ["1", "{}", '{"step": "0", "values": {}}', '{"step": 0, "values": {"a": []}}', "x"]
)
def test_a_file_of_something_else_is_refused(line: str, tmp_path: Path) -> None:
    journal = RowJournal(tmp_path / "rows.jsonl")
    journal.path.write_text(f"{line}\n")
    with pytest.raises(RunError, match=r"rows\.jsonl"):
        journal.restart(9)
