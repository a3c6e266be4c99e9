"""What TensorBoard shows of the steps of a run, alone or as a lane of a stack."""

from __future__ import annotations

import contextlib
import pkgutil
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from abreast.callbacks import PreemptionCheckpoint
from abreast.errors import DivergedError, Interrupted
from abreast.runs.directory import RunDirectory
from abreast.runtime.patches import SWITCH
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.run import resume, run
from support.helpers import allowed, compose
from support.resuming import STEPS, TINY

NEIGHBOUR = "neighbour"
EVERY_STEP = ("logger=tensorboard", "trainer.log_every_n_steps=1")
Train = Callable[..., Path]


def alone(path: Path, *overrides: str, resumed: bool = False) -> Path:
    cfg = compose(*TINY, *EVERY_STEP, *overrides)
    with allowed():
        if resumed:
            resume(cfg, RunDirectory(path))
        else:
            run(cfg, path)
    return path


def lane(path: Path, *overrides: str, resumed: bool = False) -> Path:
    """The second one of two lanes."""
    jobs = [
        Job(compose(*TINY, *EVERY_STEP, *overrides, f"seed={seed}"), place)
        for seed, place in [(1, path.with_name(NEIGHBOUR)), (0, path)]
    ]
    with allowed():
        outcomes = train_stack(jobs)
    assert [(outcome.not_stacked, outcome.error) for outcome in outcomes] == [(None, None)] * 2
    return path


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The steps and values of each curve, as TensorBoard shows them."""
    events = EventAccumulator(str(path))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize("at", [9, 14], ids=["between epochs", "within an epoch"])
@pytest.mark.parametrize("train", [alone, lane])
def test_a_resumed_run_shows_no_step_twice(
    train: Train, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events of what came after the last checkpoint, as a killed process leaves them, are passed over."""
    # Of files that one process makes within a second, TensorBoard's own writer would sort number 10 before 9.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))
    expected = scalars(train(tmp_path / "whole" / "run"))
    path = tmp_path / "stopped" / "run"
    if at == 9:
        train(path, "trainer.max_epochs=1")
    else:
        with monkeypatch.context() as patch:
            stop_in_the_second_epoch(patch)
            with pytest.raises(Interrupted):
                train(path)
    kept = shutil.copytree(path.parent, tmp_path / "kept")
    train(path, resumed=True)
    shutil.copytree(kept, path.parent, dirs_exist_ok=True)  # as if killed before the next checkpoint
    train(path, resumed=True)
    found = scalars(path)
    assert len(list(path.glob("events.out.tfevents.*"))) == 3
    assert [step for step, _ in found["within_epoch/loss"]] == [*range(STEPS)]
    for tag in ("within_epoch/loss", "within_epoch/lr", "train/loss", "val/loss", "weights/test/loss"):
        assert found[tag] == expected[tag]


KILLED_IN = {
    "the test": "abreast.learner.evaluator.Evaluator.on_test_epoch_end",
    "the test of a stack": "abreast.stacking.tester.StackTester.on_test_epoch_end",
    "the pictures": "abreast.callbacks.test_images.TestImages.on_test_end",
    "the end": "abreast.training.finish.log_hyperparameters",
}


@pytest.mark.parametrize(("train", "where"), [(alone, "the test"), (lane, "the test of a stack")])
def test_what_the_test_shows_after_a_kill(
    train: Train, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and at the step of the tested weights; a stack showed it at step 0."""
    pictures = "+callbacks.pictures._target_=abreast.callbacks.TestImages"
    for number, moment in enumerate((where, "the pictures", "the end")):
        path = tmp_path / str(number) / "run"
        with monkeypatch.context() as patch:
            kill_after(KILLED_IN[moment], patch)
            with pytest.raises(KeyboardInterrupt):
                train(path, pictures)
        assert RunDirectory(path).read_status()["status"] == "interrupted"
        train(path, pictures, resumed=True)
        events = EventAccumulator(str(path), size_guidance={"images": 0})
        events.Reload()
        assert [event.step for event in events.Images("weights/test/confusion")] == [STEPS], moment
        shown = {tag: [step for step, _ in points] for tag, points in scalars(path).items()}
        final = {tag: steps for tag, steps in shown.items() if tag.startswith("weights/test/")}
        assert final
        assert set(map(tuple, final.values())) == {(STEPS,)}, moment
        assert shown["within_epoch/loss"] == [*range(STEPS)]


def kill_after(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the process after the function has done its work; what it has logged is written."""
    function = pkgutil.resolve_name(name)

    def killed(*arguments: Any, **more: Any) -> None:
        function(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(name, killed)


def stop_in_the_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a signal arrive in the epoch's first block, whose checkpoint lies within the epoch."""
    ended = PreemptionCheckpoint.on_train_batch_end

    def told(self: PreemptionCheckpoint, trainer: Any, pl_module: Any, *arguments: Any) -> None:
        if trainer.current_epoch == 1:
            pl_module.stop_signal = signal.SIGTERM
        ended(self, trainer, pl_module, *arguments)

    monkeypatch.setattr(PreemptionCheckpoint, "on_train_batch_end", told)


@pytest.mark.parametrize("train", [alone, lane])
def test_the_learning_rate_within_a_block_is_that_of_each_step(train: Train, tmp_path: Path) -> None:
    """Blocks have 4 steps. Expected: torch's schedule itself, stepped by hand."""
    path = train(tmp_path / "run", "optim=momentum", "optim.lr=0.1", "schedule=one_cycle")
    scheduler_config = RunDirectory(path).read_config()["schedule"]["scheduler"]
    options = {
        key: value
        for key, value in scheduler_config.items()
        if key not in ("_target_", "_partial_", "total_steps")
    }
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, **{"max_lr": 0.1, **options}, total_steps=STEPS
    )
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < STEPS:
            scheduler.step()
    logged = scalars(path)["within_epoch/lr"]
    assert [step for step, _ in logged] == [*range(STEPS)]
    assert [rate for _, rate in logged] == pytest.approx(rates, rel=1e-6)
    assert len({round(rate, 7) for rate in rates}) > STEPS - 3  # else a block's first rate would do
    by_epoch = [row["lr"] for row in RunDirectory(path).read_metrics()]
    assert by_epoch == pytest.approx([rates[8], rates[17], rates[26]], rel=1e-6)


ENDS: dict[str, tuple[str, type[BaseException]]] = {
    "a loss that diverges": ("abreast.metrics.stage.StageMetrics.compute", DivergedError),
    "an error in a step": ("abreast.learner.module.Learner.should_sample", ValueError),
    "an error between epochs": ("abreast.callbacks.run_writer.RunWriter.on_train_epoch_end", ValueError),
    "a full disk": ("abreast.runs.directory.RunDirectory.append_metrics", OSError),
    "a signal": ("abreast.callbacks.run_writer.RunWriter.on_train_epoch_end", Interrupted),
    "Ctrl-C": ("abreast.learner.module.Learner.should_sample", KeyboardInterrupt),
    "an error in the test": ("abreast.callbacks.test_images.TestImages.on_test_end", ValueError),
    "an error at the end": ("abreast.training.finish.write_example_outcomes", ValueError),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("train", [alone, lane])
def test_no_thread_stays_however_a_run_ends(
    train: Train, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "1")  # our own events file has no thread
    name, kind = ENDS[end]
    before = set(threading.enumerate())
    error = (
        Interrupted(signal.SIGTERM) if kind is Interrupted else kind(28, "x") if kind is OSError else kind(3)
    )

    def fail(*_: Any, **__: Any) -> None:
        raise error

    begun: list[threading.Thread] = []
    started = threading.Thread.start

    def start(self: threading.Thread) -> None:
        begun.append(self)
        started(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr(name, fail)
    with contextlib.suppress(BaseException):
        train(tmp_path / "run", "+callbacks.pictures._target_=abreast.callbacks.TestImages")
    assert any(type(thread).__name__ == "_AsyncWriterThread" for thread in begun)  # as if it were not closed
    assert set(threading.enumerate()) <= before
