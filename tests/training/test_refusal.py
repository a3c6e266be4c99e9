"""A run that cannot be resumed as it was asked to stays as it was, to the byte."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.errors import AbreastError, ConfigError, DataError, RunError
from abreast.runs.directory import RunDirectory
from abreast.training import run as training
from abreast.training.refusal import unchanged_if_refused
from support.command_line import Outcome
from support.forks import run_forked
from support.helpers import allowed
from support.resuming import begin


def files(path: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def stopped(tmp_path: Path) -> RunDirectory:
    """A run of two epochs that was to have more."""
    directory = RunDirectory(begin(tmp_path / "run", "logger=none", "trainer.max_epochs=2"))
    config = directory.read_config()
    config["trainer"]["max_epochs"] = 4
    directory.write_config(config)
    directory.write_status("interrupted", reason="stopped by SIGTERM")
    return directory


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("trainer.max_epochs=1", "the run has trained 2 epochs; write at least 2"),
        ("trainer.accelerator=gpu", "trainer.accelerator=gpu: there is none"),
        ("trainer.devices=2", "add trainer=ddp"),
        ("trainer.strategy=ddp_spawn", "write trainer.strategy=ddp"),
        ("trainer.strategy=fsdp", "requires GPUs"),
    ],
)
def test_the_command(change: str, message: str, stopped: RunDirectory, tmp_path: Path) -> None:
    before = files(stopped.path)
    done: Outcome = run_forked([f"resume={stopped.path}", change], tmp_path)
    if change.endswith("gpu") and done.code == 0:
        pytest.skip("there is a GPU")
    assert done.code == 2, done.err
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert files(stopped.path) == before


def test_lightnings_own_refusal(stopped: RunDirectory) -> None:
    before = files(stopped.path)
    config = stopped.read_config()
    config["trainer"]["max_epochs"] = 1
    with allowed(), pytest.raises(ConfigError, match="current_epoch"):
        training.resume(config, stopped)
    assert files(stopped.path) == before


ERRORS: dict[str, Callable[[], Exception]] = {
    "ConfigError": lambda: ConfigError("no"),
    "DataError": lambda: DataError("no"),
    "RunError": lambda: RunError("no"),
}


@pytest.mark.parametrize("name", [*ERRORS, "ValueError"])
@pytest.mark.parametrize("trained", [False, True])
def test_which_errors_are_refusals(name: str, trained: bool, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write_config({"seed": 1})
    directory.write_status("interrupted")
    error = ERRORS.get(name, lambda: ValueError("no"))()

    def work() -> None:
        with unchanged_if_refused(directory):
            directory.write_config({"seed": 2})
            directory.write_status("running")
            if trained:
                directory.checkpoints.mkdir()
                (directory.checkpoints / "last.ckpt").write_text("x")
            directory.note_failure(error)
            raise error

    with pytest.raises((AbreastError, ValueError)):
        work()
    is_refused = name in ERRORS and not trained
    assert directory.read_status()["status"] == ("interrupted" if is_refused else "failed")
    assert directory.read_config() == {"seed": 1 if is_refused else 2}


def test_a_status_that_is_no_file_does_not_halt_it(stopped: RunDirectory) -> None:
    """A stranger's directory may hold a pipe there, whose end never comes."""
    (stopped.path / "status.json").unlink()
    os.mkfifo(stopped.path / "status.json")
    with pytest.raises(ConfigError), unchanged_if_refused(stopped):
        raise ConfigError("no")
