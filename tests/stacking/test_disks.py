"""Lanes on a disk that fills up: those on it are interrupted, the others do not notice, and all can go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import DiskError
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.runtime.patches import is_on
from abreast.stacking.build import Job, Outcome
from abreast.stacking.chunk import Chunk
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from support.disks import Disk, mounted
from support.forks import run_forked
from support.helpers import allowed, compose, jobs_of
from support.small_runs import IN_BLOCKS
from support.stacks import Check

BLOCKS = 9
LANES = 3


def train(path: Path) -> list[Outcome]:
    jobs = [Job(compose(*IN_BLOCKS, f"seed={seed}"), path / str(seed)) for seed in range(LANES)]
    with allowed():
        return train_stack(jobs, Options(save_every=0))


def when(block: int, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something as the block of that number is trained."""
    trained, calls = Chunk.train, []

    def told(self: Chunk, *arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == block + 1:
            action()
        trained(self, *arguments, **more)

    monkeypatch.setattr(Chunk, "train", told)


def check_stopped(outcome: Outcome, path: Path) -> None:
    assert isinstance(outcome.error, DiskError)
    assert "No space left on device" in str(outcome.error)
    assert "run the same command again" in str(outcome.error)
    assert outcome.value is None
    status = RunDirectory(path).read_status()
    assert status["status"] == "interrupted"
    assert "No space left" in status["reason"]
    for file in path.glob("checkpoints/*"):
        load(file)
    assert not [*path.rglob("*.part")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack as it is where nothing goes wrong."""
    folder = tmp_path_factory.mktemp("whole")
    assert [outcome.error for outcome in train(folder)] == [None] * LANES
    return folder


@pytest.mark.parametrize("block", [0, 3, BLOCKS - 1])
def test_one_lanes_disk(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Check, whole: Path
) -> None:
    folder = tmp_path / "stopped"
    with mounted(folder / "1", 4096) as disk:
        with monkeypatch.context() as patch:
            when(block, lambda: disk.leave(0), patch)
            outcomes = train(folder)
        assert [outcome.not_stacked for outcome in outcomes] == [None] * LANES
        check_stopped(outcomes[1], folder / "1")
        for lane in (0, 2):
            assert outcomes[lane].value is not None
            check(folder / str(lane), whole / str(lane))
        disk.empty()
        job = Job(RunDirectory(folder / "1").read_config(), folder / "1")
        with allowed():
            train_stack([job])
        check(folder / "1", whole / "1")


@pytest.mark.parametrize("block", [0, 3, BLOCKS - 1])
def test_the_disk_of_all(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Check, whole: Path
) -> None:
    with mounted(tmp_path / "disk", 4096) as disk:
        with monkeypatch.context() as patch:
            when(block, lambda: disk.leave(0), patch)
            outcomes = train(disk.path)
        for lane, outcome in enumerate(outcomes):
            check_stopped(outcome, disk.path / str(lane))
        disk.empty()
        assert [outcome.error for outcome in train(disk.path)] == [None] * LANES
        for lane in range(LANES):
            check(disk.path / str(lane), whole / str(lane))


@pytest.mark.parametrize("kib", [0, 8, 60, 100])
def test_before_anything_is_trained(kib: int, tmp_path: Path, check: Check, whole: Path) -> None:
    with mounted(tmp_path / "disk", 4096) as disk:
        disk.leave(kib)
        outcomes = train(disk.path)
        assert any(outcome.error for outcome in outcomes)
        for outcome in outcomes:
            assert outcome.error is None or isinstance(outcome.error, DiskError)
        assert not disk.parts()
        for file in disk.path.rglob("status.json"):
            assert RunDirectory(file.parent).read_status()["status"] in ("interrupted", "finished")
        disk.empty()
        left = [lane for lane in range(LANES) if outcomes[lane].error is not None]
        jobs = [Job(compose(*IN_BLOCKS, f"seed={lane}"), disk.path / str(lane)) for lane in left]
        places = {(job.directory / "checkpoints" / "last.ckpt").exists() for job in jobs}
        with allowed():
            for part in [jobs] if len(places) == 1 else [[job] for job in jobs]:
                train_stack(part)
        for lane in range(LANES):
            check(disk.path / str(lane), whole / str(lane))


def check_once_there_is_room(disk: Disk, arguments: list[str], check: Check, whole: Path) -> None:
    """The same command on an emptied disk finishes the sweep, each run equal to the undisturbed one."""
    disk.empty()
    told = run_forked(arguments, disk.path)
    assert told.code == 0, told.err
    [sweep] = disk.path.glob("runs/*/*")
    for lane, path in enumerate(jobs_of(sweep)):
        check(path, whole / str(lane))


@pytest.mark.parametrize("kib", [120, 260])
def test_a_sweep_goes_on_when_there_is_room(kib: int, tmp_path: Path, check: Check, whole: Path) -> None:
    arguments = ["-m", *IN_BLOCKS, "seed=0,1,2"]
    with mounted(tmp_path / "disk", 4096) as disk:
        disk.leave(kib)
        told = run_forked(arguments, disk.path)
        assert told.code == 2
        assert "Traceback" not in told.out + told.err
        *hydras, line = told.err.strip().splitlines()
        assert "Error executing job with overrides" in hydras[-1]
        assert len(hydras) == 1 or not is_on("log_handlers")  # then Lightning's notices come before
        assert "No space left on device" in line
        assert str(disk.path) in line
        assert not disk.parts()
        check_once_there_is_room(disk, arguments, check, whole)


def test_a_run_that_joins_a_stack_on_a_full_disk(tmp_path: Path, check: Check, whole: Path) -> None:
    """Its directory is made while the others are trained: that was a traceback, and named no file."""
    arguments = ["-m", *IN_BLOCKS, "seed=0,1,2", "hydra.launcher.max_lanes=2", "logger=none"]
    with mounted(tmp_path / "disk", 4096) as disk:
        disk.leave(72)
        told = run_forked(arguments, disk.path)
        assert told.code == 2
        assert "Traceback" not in told.out + told.err
        line = told.err.strip().splitlines()[-1]
        assert "No space left on device" in line
        assert line.startswith("runs/")
        assert "seed=2" in line
        check_once_there_is_room(disk, arguments, check, whole)
