"""A run that was stopped anywhere and resumed is bitwise identical to one that was never stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.cli.resume import main as command
from abreast.errors import Interrupted, RunError
from abreast.runs.directory import RunDirectory
from abreast.runtime.directory_lock import locked
from abreast.training.run import resume
from support.helpers import allowed, compose, options
from support.optimizers import optimizers
from support.references import References
from support.resuming import STEPS, TINY, begin, check_equal, go_on_with, stop_and_go_on, stop_at

KAPPA = "torchmetrics.classification.MulticlassCohenKappa"


@pytest.mark.parametrize("at", range(STEPS))
def test_after_any_step(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References
) -> None:
    whole = reference(compose(*TINY)).finished()
    check_equal(whole, stop_and_go_on(tmp_path / "stopped", at, monkeypatch))


@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.long), 4])
@pytest.mark.parametrize("name", optimizers())
def test_every_optimizer(
    name: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References
) -> None:
    chosen: tuple[str, ...] = (f"optim={name}", f"steps_per_execution={steps}", "model.norm=batch")
    if name == "lbfgs":  # its own rate of 1 diverges here
        chosen += ("optim.lr=0.1",)
    whole = reference(compose(*TINY, *chosen)).finished()
    check_equal(whole, stop_and_go_on(tmp_path / "stopped", 14, monkeypatch, *chosen))


@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.long), 4])
@pytest.mark.parametrize("name", options("schedule"))
def test_every_schedule(
    name: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References
) -> None:
    chosen: tuple[str, ...] = (f"schedule={name}", f"steps_per_execution={steps}")
    if name == "plateau":  # so that it comes to bear
        chosen += ("schedule.scheduler.patience=0", "schedule.scheduler.threshold=10.0")
    whole = reference(compose(*TINY, *chosen)).finished()
    rates = {row["lr"] for row in RunDirectory(whole).read_metrics()}
    assert (len(rates) > 1) == (name not in ("constant", "step"))
    for at in (3, 17):
        check_equal(whole, stop_and_go_on(tmp_path / f"stopped{at}", at, monkeypatch, *chosen))


@pytest.mark.parametrize(
    "chosen",
    [
        ("data=random_regression", "loss=mse", "data.size=100", "data.test_size=30", "data.batch_size=10"),
        ("trainer.accumulate_grad_batches=2",),
        ("trainer.accumulate_grad_batches=2", "steps_per_execution=1"),
        ("trainer.gradient_clip_val=0.1",),
        ("data.val_fraction=0",),
        ("ema=0.9", "model.norm=batch"),
        ("ema=0.99", "steps_per_execution=1", "schedule=cosine"),
        ("trainer.check_val_every_n_epoch=2",),
        ("data.shuffle=false", "steps_per_execution=50"),
        ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "trainer.max_epochs=9"),
        ("loss=hinge", "checkpoint=last"),
        ("metrics=[auroc,brier,macro_f1]", "monitor=val/brier", f"+metrics.test_kappa._target_={KAPPA}"),
        ("trainer.precision=bf16-mixed",),
    ],
    ids=lambda chosen: " ".join(chosen),
)
def test_every_kind_of_run(
    chosen: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References
) -> None:
    whole = reference(compose(*TINY, *chosen)).finished()
    steps = int(RunDirectory(whole).read_metrics()[-1]["step"])
    for at in {2, steps // 2, steps - 1}:
        path = tmp_path / f"stopped{at}"
        check_equal(whole, stop_and_go_on(path, at, monkeypatch, *chosen))


def test_stopped_time_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References
) -> None:
    whole = reference(compose(*TINY)).finished()

    def again(path: Path, *_: str) -> Path:
        if not path.exists():
            return begin(path)
        go_on_with(path)
        return path

    for at in (1, 5, 6, 20):
        with monkeypatch.context() as patch:
            stop_at(at, patch)
            with pytest.raises(Interrupted):
                again(tmp_path / "stopped")
    go_on_with(tmp_path / "stopped")
    check_equal(whole, tmp_path / "stopped")


def test_a_longer_training_goes_on_where_the_shorter_ended(tmp_path: Path, reference: References) -> None:
    whole = reference(compose(*TINY)).finished()
    short = begin(tmp_path / "short", "trainer.max_epochs=1")
    directory = RunDirectory(short)
    config = directory.read_config()
    config["trainer"]["max_epochs"] = 3
    with allowed():
        resume(config, directory)
    check_equal(whole, short)


def test_a_moved_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References) -> None:
    whole = reference(compose(*TINY, "optim.lr=0.1")).finished()
    with monkeypatch.context() as patch:
        stop_at(20, patch)
        with pytest.raises(Interrupted):
            begin(tmp_path / "here", "optim.lr=0.1")
    (tmp_path / "here").rename(tmp_path / "there")
    go_on_with(tmp_path / "there")
    check_equal(whole, tmp_path / "there")
    assert not (tmp_path / "here").exists()


def test_a_relative_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = begin(Path("whole"), "optim.lr=0.1")
    check_equal(whole, stop_and_go_on(Path("stopped"), 20, monkeypatch, "optim.lr=0.1"))


def test_a_run_that_another_process_trains_is_left_alone(tmp_path: Path) -> None:
    path = begin(tmp_path / "run")
    directory = RunDirectory(path)
    with locked(path), pytest.raises(RunError, match="another process"):
        go_on_with(path)
    assert directory.read_status()["status"] == "finished"


@pytest.mark.parametrize("step", [1, 4, 9, 13])
def test_the_command_resumes_a_run_wherever_it_was_stopped(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its first epoch, too, of which metrics.csv has no row yet."""
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(Interrupted):
            begin(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.csv").exists() is (step >= 9)
    assert command([f"resume={tmp_path / 'run'}"]) == 0
    assert RunDirectory(tmp_path / "run").read_status()["status"] == "finished"
    assert len(RunDirectory(tmp_path / "run").read_metrics()) == 3
