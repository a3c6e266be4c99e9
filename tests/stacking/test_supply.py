"""Runs become lanes when it is their turn, and their outcomes are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import DivergedError
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job, NotStackableError
from abreast.stacking.lane import Lane
from abreast.stacking.supply import LaneSupply
from abreast.stacking.waiting import WaitingRuns
from support.helpers import allowed

Configs = Callable[..., list[dict[str, Any]]]
Supply = Callable[..., tuple[LaneSupply, list[Job]]]


@pytest.fixture
def supply(configs: Configs, tmp_path: Path) -> Supply:
    """The supply of a stack of two lanes, and the jobs: one for each of the overrides."""

    def made(*each: Sequence[str]) -> tuple[LaneSupply, list[Job]]:
        runs = configs((), *each)
        jobs = [Job(cfg, tmp_path / f"run{number}", f"run {number}") for number, cfg in enumerate(runs)]
        with allowed():
            return LaneSupply(jobs, WaitingRuns(jobs), width=2), jobs

    return made


def statuses(jobs: Sequence[Job]) -> list[str]:
    """Those of the runs; `waits` for one that has no directory."""
    return [
        RunDirectory(job.directory).read_status()["status"] if job.directory.exists() else "waits"
        for job in jobs
    ]


def successors(supply: LaneSupply, ended: Sequence[Lane], count: int = 1, shortest: int = 1) -> list[str]:
    lanes = supply.successors(ended, count, epochs=3, shortest=shortest)
    assert lanes is not None
    return [lane.directory.path.name for lane in lanes]


def test_lanes_begin_and_end_in_turn(supply: Supply) -> None:
    runs, jobs = supply(*[(f"seed={seed}",) for seed in range(4)])
    with allowed():
        first, second = runs.first()
        assert statuses(jobs) == ["running", "running", "waits", "waits"]
        assert (runs.count_waiting, first.share, len(runs.loggers)) == (2, 0.5, len(first.loggers) * 2)
        assert runs.titles == {job.directory: job.title for job in jobs[:2]}
        first.fail(ValueError("no"))
        assert successors(runs, [first]) == ["run2"]
        second.fail(DivergedError(5))
        assert successors(runs, [second], count=2) == ["run3"]
    assert statuses(jobs) == ["failed", "failed", "running", "running"]
    assert [type(runs.outcomes[job.directory].error) for job in jobs[:2]] == [ValueError, DivergedError]
    assert [runs.outcomes[job.directory].value is None for job in jobs[:2]] == [True, False]
    assert runs.ends == {job.directory: "failed" for job in jobs[:2]}
    assert runs.successors([], 2, epochs=4, shortest=1) is None


def test_runs_that_cannot_be_lanes_make_room_for_others(supply: Supply) -> None:
    runs, jobs = supply((), ("steps_per_execution=1",), ("optim.lr=-1",), ("seed=1",))
    with allowed():
        assert len(runs.first()) == 1
        assert successors(runs, [], count=1) == ["run3"]
    assert "automatic optimization" in str(runs.outcomes[jobs[1].directory].not_stacked)
    assert jobs[1].directory not in runs.ends  # it is trained individually
    assert runs.outcomes[jobs[2].directory].error is not None
    assert statuses(jobs)[2:] == ["failed", "running"]


def test_a_run_with_shorter_epochs_waits_for_another_stack(supply: Supply) -> None:
    runs, jobs = supply((), (), ("data.folds=2", "data.fold=0"), ("seed=1",))
    with allowed():
        first, second = runs.first()
        assert successors(runs, [], count=1, shortest=first.batches) == ["run3"]
        assert runs.count_waiting == 1
        assert [lane.directory.path for lane in runs.first()] == [jobs[2].directory]
    assert second.running


def test_what_stops_all_runs_is_told_of_those_that_have_begun(supply: Supply) -> None:
    runs, jobs = supply(*[(f"seed={seed}",) for seed in range(3)])
    with allowed():
        runs.first()
    runs.note_failure(KeyboardInterrupt())
    assert statuses(jobs) == ["interrupted", "interrupted", "waits"]
    runs.give_up(NotStackableError("reason"))
    assert [runs.outcomes[job.directory].not_stacked for job in jobs] == ["reason"] * 3
    assert (runs.count_waiting, runs.ends) == (0, {})
