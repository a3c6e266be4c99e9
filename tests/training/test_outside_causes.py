"""Only a run's own fault makes it `failed`; what it has trained is never thrown away."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from abreast.errors import DiskError
from abreast.learner import checkpoint
from abreast.learner.module import Learner
from abreast.runs.directory import RunDirectory
from abreast.runs.state import RunState, run_state
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from support.helpers import allowed, compose
from support.references import References
from support.resuming import TINY, begin, check_equal, go_on_with

CAUSES: dict[str, BaseException] = {
    "broken pipe": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "file too large": OSError(errno.EFBIG, "File too large"),
    "broken disk": OSError(errno.EIO, "Input/output error", "/elsewhere"),
    "memory": MemoryError(),
}


def raise_at(step: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    due = Learner.should_sample

    def raising(self: Learner, number: int, last: bool) -> bool:
        if number == step:
            raise error
        return due(self, number, last)

    monkeypatch.setattr(Learner, "should_sample", raising)


def ended_by(error: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run that the error ends in its second epoch."""
    with monkeypatch.context() as patch:
        raise_at(17, error, patch)
        with pytest.raises((type(error), Exception)):
            begin(path, "logger=none")
    return RunDirectory(path)


@pytest.mark.parametrize("cause", CAUSES)
def test_what_comes_from_outside_interrupts(
    cause: str, tmp_path: Path, reference: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = ended_by(CAUSES[cause], tmp_path / "run", monkeypatch)
    assert directory.read_status()["status"] == "interrupted"
    assert run_state(directory, directory.read_config()) is RunState.BEGUN
    if cause == "broken pipe":
        go_on_with(directory.path)
        check_equal(reference(compose(*TINY, "logger=none")).finished(), directory.path)


def test_a_fault_of_its_own_restarts_it_and_keeps_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory = ended_by(ValueError("wrong"), tmp_path / "run", monkeypatch)
    assert directory.read_status()["status"] == "failed"
    assert run_state(directory, directory.read_config()) is RunState.NEW
    kept = RunDirectory(directory.path / ".replaced-1")
    assert str(kept.path) in caplog.text
    assert kept.read_status()["reason"] == "ValueError: wrong"
    assert checkpoint.load(kept.checkpoints / "last.ckpt")["epoch"] == 0
    assert not directory.checkpoints.exists()


def test_a_checkpoint_whose_status_was_lost_is_not_trained_over(tmp_path: Path) -> None:
    """The unprotected twin resumed from the checkpoint of another configuration."""
    path = begin(tmp_path / "run", "logger=none")
    (path / "status.json").unlink()
    begin(path, "logger=none", "seed=7")
    assert RunDirectory(path).read_config()["seed"] == 7
    assert RunDirectory(path / ".replaced-1").read_config()["seed"] == 0
    assert (path / ".replaced-1" / "checkpoints" / "last.ckpt").exists()


def test_a_removed_directory_is_not_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "run" / "metrics.csv"))
    assert ended_by(error, tmp_path / "run", monkeypatch).read_status()["status"] == "interrupted"


@pytest.mark.parametrize("kind", ["alone", "stack"])
def test_a_directory_that_is_removed_while_it_trains(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and the neighbours go on. Files were written on into a directory without a configuration."""
    path, due = tmp_path / "run", Learner.should_sample

    def remove(self: Learner, number: int, last: bool) -> bool:
        if number == 17 and path.exists():
            shutil.rmtree(path)
        return due(self, number, last)

    monkeypatch.setattr(Learner, "should_sample", remove)
    if kind == "alone":
        with pytest.raises(DiskError, match="was removed while the run trained"):
            begin(path, "logger=none")
    else:
        jobs = [
            Job(compose(*TINY, "logger=none", f"seed={seed}"), tmp_path / name)
            for seed, name in enumerate(("run", "neighbour"))
        ]
        with allowed():
            outcomes = train_stack(jobs)
        assert isinstance(outcomes[0].error, DiskError)
        assert outcomes[1].error is None
        assert RunDirectory(tmp_path / "neighbour").read_status() == {"status": "finished"}
    assert not (path / "status.json").exists()
