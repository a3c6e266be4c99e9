"""The order in which waiting runs get a lane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abreast.stacking.build import Job
from abreast.stacking.waiting import WaitingRuns, phase


def job(name: str, epoch: int = 0, batches: int = 0, **trainer: Any) -> Job:
    return Job({"trainer": trainer}, Path(name), position=(epoch, batches))


def names(jobs: list[Job]) -> str:
    return " ".join(str(job.directory) for job in jobs)


@pytest.mark.parametrize(
    ("position", "trainer", "expected"),
    [
        ((4, 0), {}, (0, 0)),
        ((4, 7), {}, (0, 7)),
        ((5, 2), {"check_val_every_n_epoch": 3}, (2, 2)),
        ((6, 0), {"check_val_every_n_epoch": 3}, (0, 0)),
        ((5, 2), {"check_val_every_n_epoch": None}, (0, 2)),
        ((5, 2), {"max_steps": -1}, (0, 2)),
        ((5, 2), {"max_steps": 40, "check_val_every_n_epoch": 3}, (5, 2)),
    ],
)
def test_runs_of_one_phase_validate_together(
    position: tuple[int, int], trainer: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert phase(job("a", *position, **trainer)) == expected


def test_begun_runs_come_first_and_only_one_phase_at_a_time() -> None:
    waiting = WaitingRuns([job("new"), job("begun", 3), job("within", 2, 5), job("other", 1, 5), job("last")])
    assert len(waiting) == 5
    assert names(waiting.take(2)) == "begun new"  # the first one's phase
    assert names(waiting.take(9, (0, 0))) == "last"
    assert waiting.take(9, (0, 0)) == []
    assert names(waiting.take(1)) == "within"
    assert names(waiting.take(9)) == "other"
    assert (len(waiting), waiting.take(9)) == (0, [])


def test_a_run_that_is_put_back_is_the_next_one_and_another_the_last() -> None:
    waiting = WaitingRuns([job("a"), job("b")])
    (first,) = waiting.take(1)
    waiting.put(job("c"))
    waiting.put_back(first)
    assert names(waiting.take(9)) == "a b c"


def test_nothing_is_compared_unless_a_search_does() -> None:
    waiting = WaitingRuns([job("a")])
    assert (waiting.is_open, [*waiting.rungs], waiting.reach([], 3)) == (False, [], {})
