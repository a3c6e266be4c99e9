"""A stack that was stopped anywhere goes on so that no lane can tell."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.errors import Interrupted
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.chunk import Chunk
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from abreast.training.run import resume
from support.helpers import allowed, compose, options
from support.optimizers import ALONE, optimizers
from support.small_runs import IN_BLOCKS

TINY = (*IN_BLOCKS, "model.dropout=0.3", "trainer.log_every_n_steps=2", "logger=none")
BLOCKS = 3  # of 4, 4 and 1 mini-batches an epoch


def stack(path: Path, *lanes: tuple[str, ...], **settings: Any) -> list[Path]:
    """Train, or go on with, a lane for each tuple of overrides; their directories."""
    jobs = [Job(compose(*TINY, *lane), path / str(n)) for n, lane in enumerate(lanes)]
    with allowed():
        outcomes = train_stack(jobs, Options(**settings))
    assert [outcome.not_stacked for outcome in outcomes] == [None] * len(lanes)
    return [job.directory for job in jobs]


def stop_in_block(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SIGTERM arrive while the block of that number is trained."""
    train, calls = Chunk.train, []

    def told(self: Chunk, *arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == number + 1:
            os.kill(os.getpid(), signal.SIGTERM)
        train(self, *arguments, **more)

    monkeypatch.setattr(Chunk, "train", told)


def stopped_and_gone_on(
    path: Path, at: int, monkeypatch: pytest.MonkeyPatch, *lanes: tuple[str, ...]
) -> list[Path]:
    with monkeypatch.context() as patch:
        stop_in_block(at, patch)
        with pytest.raises(Interrupted) as stop:
            stack(path, *lanes)
    assert stop.value.code == 143
    for n in range(len(lanes)):
        status = RunDirectory(path / str(n)).read_status()
        assert (status["status"], status["reason"]) == ("interrupted", "stopped by SIGTERM")
    torch.manual_seed(99)
    return stack(path, *lanes)


LANES = (
    ("seed=0", "optim=adam", "loss=cross_entropy"),
    ("seed=1", "optim=adam", "loss=mse"),
    ("seed=2", "optim=momentum", "loss=hinge", "schedule=cosine"),
    ("seed=2", "optim=muon"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The stack of these lanes that was never stopped."""
    return stack(tmp_path_factory.mktemp("whole"), *LANES)


@pytest.mark.parametrize("at", range(3 * BLOCKS))
def test_after_any_block(
    at: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, Path], None],
    whole: list[Path],
) -> None:
    for a, b in zip(stopped_and_gone_on(tmp_path / "stopped", at, monkeypatch, *LANES), whole, strict=True):
        check(a, b)


def test_lanes_at_different_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[Path, Path], None], whole: list[Path]
) -> None:
    """Lanes that have done one epoch, two, all but the test, and none continue in one stack."""
    jobs = [Job(compose(*TINY, *lane), tmp_path / str(n)) for n, lane in enumerate(LANES)]
    for job, epochs in zip(jobs, (1, 2, 3), strict=False):
        with monkeypatch.context() as patch:
            stop_in_block(epochs * BLOCKS - 1, patch)
            with allowed(), pytest.raises(Interrupted):
                train_stack([job])
    with allowed():
        outcomes = train_stack(jobs)
    assert [outcome.error or outcome.not_stacked for outcome in outcomes] == [None] * len(jobs)
    for job, path in zip(jobs, whole, strict=True):
        check(job.directory, path)


@pytest.mark.parametrize("name", optimizers(but=ALONE))
def test_every_optimizer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[Path, Path], None]
) -> None:
    lanes = [(f"seed={seed}", f"optim={name}", "model.norm=batch", "model.dropout=0") for seed in range(3)]
    whole = stack(tmp_path / "whole", *lanes)
    for a, b in zip(stopped_and_gone_on(tmp_path / "stopped", 4, monkeypatch, *lanes), whole, strict=True):
        check(a, b)


@pytest.mark.parametrize("name", options("schedule"))
def test_every_schedule(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[Path, Path], None]
) -> None:
    lanes = [(f"seed={seed}", f"schedule={name}") for seed in range(2)]
    whole = stack(tmp_path / "whole", *lanes)
    for a, b in zip(stopped_and_gone_on(tmp_path / "stopped", 5, monkeypatch, *lanes), whole, strict=True):
        check(a, b)


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize(
    "chosen",
    [
        ("data=random_regression", "loss=mse", "data.size=150", "data.test_size=48", "data.batch_size=16"),
        ("data.val_fraction=0",),
        ("ema=0.9", "optim=lion"),
        ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "trainer.max_epochs=9"),
    ],
    ids=lambda chosen: " ".join(chosen),
)
def test_every_kind_of_run(
    chosen: tuple[str, ...],
    at: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, Path], None],
) -> None:
    lanes = [(*chosen, f"seed={seed}") for seed in range(2)]
    whole = stack(tmp_path / "whole", *lanes)
    for a, b in zip(stopped_and_gone_on(tmp_path / "stopped", at, monkeypatch, *lanes), whole, strict=True):
        check(a, b)


@pytest.mark.parametrize("at", [1, 4])
def test_a_lane_goes_on_as_a_plain_run_and_the_other_way_round(
    at: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, Path], None],
    whole: list[Path],
) -> None:
    with monkeypatch.context() as patch:
        stop_in_block(at, patch)
        with pytest.raises(Interrupted):
            stack(tmp_path / "stopped", *LANES)
    for n, path in enumerate(whole):
        directory = RunDirectory(tmp_path / "stopped" / str(n))
        with allowed():
            resume(directory.read_config(), directory)
        check(directory.path, path)


def test_plain_runs_go_on_as_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[Path, Path], None], whole: list[Path]
) -> None:
    from abreast.learner.module import Learner
    from abreast.training.run import run

    due = Learner.should_sample

    def told(self: Learner, step: int, last: bool) -> bool:
        if step == 13:
            self.stop_signal = signal.SIGTERM
        return due(self, step, last)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "should_sample", told)
        for n, lane in enumerate(LANES):
            with allowed(), pytest.raises(Interrupted):
                run(compose(*TINY, *lane), tmp_path / "stopped" / str(n))
    for a, b in zip(stack(tmp_path / "stopped", *LANES), whole, strict=True):
        check(a, b)


SPLITS = (  # epochs of 9, 10 and 10 mini-batches: 132, 149 and 150 examples in blocks of 4, 4 and the rest
    ("seed=0", "data.split_seed=3", "optim=adam"),
    ("seed=1", "data.folds=7", "data.fold=0", "optim=momentum", "schedule=cosine"),
    ("seed=1", "data.folds=7", "data.fold=6", "loss=mse"),
)


@pytest.fixture(scope="module")
def whole_splits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The stack of lanes of different splits that was never stopped."""
    return stack(tmp_path_factory.mktemp("splits"), *SPLITS)


@pytest.mark.parametrize("block", [0, 1, 2, 4, 8])
def test_lanes_whose_epochs_differ_in_length(
    block: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, Path], None],
    whole_splits: list[Path],
) -> None:
    chunks = len({RunDirectory(path).read_result()["examples"]["train"] for path in whole_splits})
    assert [RunDirectory(path).read_metrics()[-1]["step"] for path in whole_splits] == [27, 30, 30]
    found = stopped_and_gone_on(tmp_path / "stopped", block * chunks, monkeypatch, *SPLITS)
    for a, b in zip(found, whole_splits, strict=True):
        check(a, b)


def test_a_lane_of_a_shorter_epoch_goes_on_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, Path], None],
    whole_splits: list[Path],
) -> None:
    with monkeypatch.context() as patch:
        stop_in_block(4 * 3, patch)
        with pytest.raises(Interrupted):
            stack(tmp_path, *SPLITS)
    for number in (0, 1):
        with allowed():
            resume(compose(*TINY, *SPLITS[number]), RunDirectory(tmp_path / str(number)))
        check(tmp_path / str(number), whole_splits[number])
