"""Runs that several processes train side by side are what they are in one."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from abreast.errors import DataError, Interrupted, LostProcessError
from abreast.runs.directory import RunDirectory
from abreast.stacking import processes
from abreast.stacking.build import Job
from abreast.stacking.chunk import Chunk
from abreast.stacking.lane_progress import LaneProgress
from abreast.stacking.options import Options
from abreast.stacking.processes import count_processes
from abreast.stacking.remote import Advance, Take
from abreast.stacking.run import train_stack
from abreast.stacking.waiting import Phase, WaitingRuns
from support.endings import DIVERGES, SOON
from support.helpers import allowed
from support.references import References
from support.stacks import Both, Check, Configs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


RUNS = [
    ("seed=0", "optim=adam", *SOON),
    ("seed=1", "optim=adam"),
    DIVERGES,
    ("seed=2", "optim=momentum", "schedule=cosine"),
    ("seed=3", "optim=muon", *SOON),
    ("seed=4", "optim=adam", "loss=hinge"),
    ("seed=5", "optim=adam"),
]


@pytest.mark.parametrize("lanes", [2, 4, 128])
def test_the_runs_are_bitwise_those_of_one_process(
    lanes: int, configs: Configs, both: Both, check: Check
) -> None:
    """Also where the processes have fewer lanes than runs, and each takes the next run that waits."""
    pairs = both(configs(("trainer.max_epochs=4",), *RUNS), diverge={2}, max_lanes=lanes, processes=2)
    for lane, plain in pairs:
        check(lane, plain)


class Noted(WaitingRuns):
    """Takes note of which process asks for runs, and of their ends."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__(jobs)
        self.taken: list[str] = []
        self.ends: dict[str, str] = {}

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        jobs = super().take(count, at, epochs)
        self.taken += [job.directory.name for job in jobs]
        return jobs

    def end(self, job: Job, outcome: Any) -> None:
        assert job.directory.name not in self.ends
        self.ends[job.directory.name] = str(outcome.error or outcome.not_stacked or "finished")


def jobs_of(runs: Sequence[dict[str, Any]], folder: Path) -> list[Job]:
    return [Job(cfg, folder / f"lane{number}", f"run {number}") for number, cfg in enumerate(runs)]


def killed_at(calls: int, number: signal.Signals, *, one: bool) -> Callable[..., None]:
    """`Chunk.train`, at whose call with this number the signal comes: to one process, or to the one above."""
    train, counted = Chunk.train, []
    above = os.getpid()

    def told(self: Chunk, *arguments: Any, **more: Any) -> None:
        counted.append(1)
        is_first = any(lane.cfg["seed"] == 0 for lane in self.lanes)
        if len(counted) == calls and is_first:
            os.kill(os.getpid() if one else above, number)
        train(self, *arguments, **more)

    return told


def go_on(jobs: Sequence[Job], check: Check, reference: References, **options: Any) -> None:
    """Train what is left, as the launcher would, and compare all runs with individual ones."""
    from abreast.learner.checkpoint import resume_point_or_clear

    left = []
    for job in jobs:
        directory = RunDirectory(job.directory)
        if not job.directory.exists() or directory.read_status()["status"] != "finished":
            begun = (job.directory / "status.json").exists()
            left.append(replace(job, position=resume_point_or_clear(directory)[:2]) if begun else job)
    assert left
    with allowed():
        outcomes = train_stack(left, Options(**options))
    assert [outcome.error or outcome.not_stacked for outcome in outcomes] == [None] * len(left)
    for job in jobs:
        check(job.directory, reference(job.cfg).finished())


STEADY = [(f"seed={seed}", "optim=adam") for seed in range(5)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_process_that_is_killed_loses_its_runs_alone(
    number: signal.Signals,
    configs: Configs,
    check: Check,
    reference: References,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own runs can be resumed; the other process takes those that wait."""
    jobs = jobs_of(configs((), *STEADY), tmp_path)
    waiting = Noted(jobs)
    with monkeypatch.context() as patch, allowed():
        patch.setattr(Chunk, "train", killed_at(3, number, one=True))
        outcomes = train_stack(jobs, Options(max_lanes=2, processes=2, save_every=0), waiting=waiting)
    how = (
        "was ended by SIGKILL, perhaps for want of memory" if number == signal.SIGKILL else "was told to stop"
    )
    message = f"the process that trained it {how}. To resume it, run the same command again"
    assert isinstance(outcomes[0].error, LostProcessError)
    assert waiting.ends == {"lane0": message, **{f"lane{number}": "finished" for number in range(1, 5)}}
    assert [str(outcome.error or "") for outcome in outcomes] == [message, "", "", "", ""]
    go_on(jobs, check, reference)


def test_what_waits_is_trained_here_when_all_processes_are_killed(
    configs: Configs,
    check: Check,
    reference: References,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = jobs_of(configs((), *STEADY), tmp_path)
    train, here = Chunk.train, os.getpid()

    def killed(self: Chunk, *arguments: Any, **more: Any) -> None:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        train(self, *arguments, **more)

    with monkeypatch.context() as patch, allowed():
        patch.setattr(Chunk, "train", killed)
        outcomes = train_stack(jobs, Options(max_lanes=2, processes=2))
    assert [type(outcome.error) for outcome in outcomes] == [LostProcessError] * 2 + [type(None)] * 3
    assert [RunDirectory(job.directory).read_status()["status"] for job in jobs[:2]] == ["interrupted"] * 2
    go_on(jobs, check, reference)


def test_a_signal_stops_all_processes_and_everything_is_saved(
    configs: Configs,
    check: Check,
    reference: References,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = jobs_of(configs(("trainer.max_epochs=6",), *STEADY), tmp_path)
    waiting = Noted(jobs)
    with monkeypatch.context() as patch, allowed():
        patch.setattr(Chunk, "train", killed_at(4, signal.SIGTERM, one=False))
        with pytest.raises(Interrupted):
            train_stack(jobs, Options(max_lanes=2, processes=2), waiting=waiting)
    statuses = {name: RunDirectory(tmp_path / name).read_status()["status"] for name in waiting.taken}
    assert statuses["lane0"] == "interrupted"
    assert set(statuses.values()) <= {"interrupted", "finished"}
    go_on(jobs, check, reference, max_lanes=3, processes=2)


def test_an_error_of_one_process_is_told_when_the_others_have_ended(
    configs: Configs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Chunk, *arguments: Any, **more: Any) -> None:
        if any(lane.cfg["seed"] == 0 for lane in self.lanes):
            raise DataError("no such file")
        train(self, *arguments, **more)

    train = Chunk.train
    monkeypatch.setattr(Chunk, "train", fails)
    jobs = jobs_of(configs((), *STEADY), tmp_path)
    waiting = Noted(jobs)
    with allowed(), pytest.raises(DataError, match="no such file") as raised:
        train_stack(jobs, Options(max_lanes=2, processes=2), waiting=waiting)
    assert "in fails" in str(raised.value.__cause__)
    assert waiting.ends == {f"lane{number}": "finished" for number in range(1, 5)}
    status = RunDirectory(jobs[0].directory).read_status()
    assert status["status"] == "failed"
    assert "DataError: no such file" in status["reason"]


class Choosy(nn.Module):
    """Control flow that depends on values."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(in_features, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layer(x.flatten(1))
        return scores if scores.mean() > 0 else scores * 2


def test_runs_that_cannot_be_stacked_are_given_back(configs: Configs, tmp_path: Path) -> None:
    """A network that vmap cannot batch is found in one process, and holds for all."""
    runs = [{**cfg, "model": {"_target_": f"{__name__}.Choosy"}} for cfg in configs((), *STEADY)]
    jobs = jobs_of(runs, tmp_path)
    with allowed():
        outcomes = train_stack(jobs, Options(max_lanes=2, processes=2))
    for outcome in outcomes:
        assert str(outcome.not_stacked).startswith("Choosy cannot be batched")


@pytest.mark.parametrize("allowed_processes", [0, 1])
def test_a_system_that_allows_no_more_processes(
    allowed_processes: int,
    configs: Configs,
    check: Check,
    reference: References,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fork = os.fork
    forked: list[int] = []

    def limited() -> int:
        if len(forked) == allowed_processes:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        forked.append(1)
        return fork()

    jobs = jobs_of(configs((), *STEADY[:2]), tmp_path)
    with allowed(), caplog.at_level("INFO"):
        monkeypatch.setattr(os, "fork", limited)
        outcomes = train_stack(jobs, Options(processes=2))
    assert [outcome.error or outcome.not_stacked for outcome in outcomes] == [None, None]
    says = "Of 2 processes only 1 could be forked" if allowed_processes else "One process trains all runs"
    assert any(says in line and "Resource temporarily unavailable" in line for line in caplog.messages)
    for job in jobs:
        check(job.directory, reference(job.cfg).finished())


@pytest.mark.parametrize(
    ("runs", "lanes", "options", "expected"),
    [
        (200, 128, {}, 4),
        (48, 128, {}, 3),
        (31, 128, {}, 1),
        (200, 2, {}, 2),
        (200, 128, {"threads": 1}, 1),
        (200, 128, {"processes": 1}, 1),
        (3, 128, {"processes": 2}, 2),
        (3, 128, {"processes": 9}, 3),
        (3, 1, {"processes": 9}, 1),
    ],
)
def test_as_many_processes_as_pay_off(
    runs: int, lanes: int, options: dict[str, int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: range(4))
    monkeypatch.setattr(processes, "is_alone", lambda: True)
    monkeypatch.setattr("torch.get_num_threads", lambda: 4)
    assert count_processes(runs, lanes, Options(**options)) == expected
    monkeypatch.setattr(processes, "can_fork", lambda: False)
    assert count_processes(runs, lanes, Options(**options)) == 1


@pytest.mark.parametrize("change", [("is_alone", lambda: False), ("cores", lambda: range(1))])
def test_one_process_where_no_other_may_begin_or_help(
    change: tuple[str, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, *change)
    monkeypatch.setattr("torch.get_num_threads", lambda: 4)
    assert count_processes(200, 128, Options()) == 1


def test_the_progress_is_that_of_all_processes(capsys: pytest.CaptureFixture[str]) -> None:
    """A line when each process has ended an epoch; runs that a process has taken and not begun wait."""
    jobs: Any = [SimpleNamespace(directory=Path(f"/sweep/{number}"), title="") for number in range(6)]
    supply: Any = SimpleNamespace(ends={}, count_waiting=2, take=lambda count, *_: jobs[:count])
    shared = processes.SharedRuns(supply, jobs)
    shared._take(0, Take(4, None, 0))

    def advance(process: int, *numbers: int, steps: int) -> None:
        lanes = [LaneProgress(Path(f"/sweep/{number}"), "running", 0, steps, 20, None) for number in numbers]
        shared._show(process, Advance(lanes, 2, ends_epoch=True))

    advance(0, 0, 1, steps=10)
    assert capsys.readouterr().out.startswith("0 of 6 done, 2 training, 4 waiting  ")
    advance(1, 2, 3, steps=10)
    assert capsys.readouterr().out == ""
    advance(0, 0, 1, steps=20)
    assert capsys.readouterr().out.startswith("0 of 6 done, 4 training, 2 waiting  ")
    supply.ends = {shared._release(0, Path(f"/sweep/{number}")).directory: "stopped" for number in (0, 1)}
    shared._end(0, None, is_stopping=False)
    advance(1, 2, 3, steps=20)
    assert capsys.readouterr().out.startswith("2 of 6 done, 2 training, 2 waiting  ")
