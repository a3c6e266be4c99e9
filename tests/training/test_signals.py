"""What a signal does to a run at each of its stages, alone and as a stack; see tests/system for processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast.callbacks.run_writer import RunWriter
from abreast.errors import Interrupted
from abreast.learner.evaluator import Evaluator
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.stacking.tester import StackTester
from abreast.training.run import run
from support.helpers import allowed, compose
from support.references import References
from support.resuming import TINY, check_equal, go_on_with

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
QUIET = (*TINY, "logger=none")


def alone(path: Path) -> None:
    with allowed():
        run(compose(*QUIET), path)


def stack(path: Path) -> None:
    jobs = [
        Job(compose(*QUIET, f"seed={seed}"), path.parent / name) for seed, name in [(0, "run"), (1, "other")]
    ]
    with allowed():
        train_stack(jobs)


def send_in(stage: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the signal come in the training's second epoch, or during the test."""
    places: dict[str, list[tuple[type, str]]] = {
        "training": [(RunWriter, "on_train_epoch_end")],
        "test": [(Evaluator, "test_step"), (StackTester, "test_step")],
    }
    for owner, name in places[stage]:
        original = getattr(owner, name)

        def told(self: Any, *arguments: Any, original: Callable[..., Any] = original) -> Any:
            os.kill(os.getpid(), number)
            return original(self, *arguments)

        monkeypatch.setattr(owner, name, told)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The test process has its handlers back, whatever a run has left."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("stage", ["training", "test"])
@pytest.mark.parametrize("train", [alone, stack])
def test_it_stops_and_can_be_resumed(
    train: Callable[[Path], None],
    stage: str,
    number: signal.Signals,
    tmp_path: Path,
    reference: References,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with monkeypatch.context() as patch:
        send_in(stage, number, patch)
        with pytest.raises((Interrupted, KeyboardInterrupt)) as stop:
            train(tmp_path / "run")
    if isinstance(stop.value, Interrupted):
        assert stop.value.code == 128 + number
    directory = RunDirectory(tmp_path / "run")
    assert directory.read_status() == {"status": "interrupted", "reason": f"stopped by {number.name}"}
    assert len(directory.read_metrics()) == (3 if stage == "test" else 1)
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
    if number == signal.SIGHUP:
        go_on_with(directory.path)
        check_equal(reference(compose(*QUIET)).finished(), directory.path)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("train", [alone, stack])
def test_one_that_is_ignored_stays_so(
    train: Callable[[Path], None], number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SIGHUP under nohup, and SIGINT in the background of a script."""
    signal.signal(number, signal.SIG_IGN)
    for stage in ("training", "test"):
        send_in(stage, number, monkeypatch)
    train(tmp_path / "run")
    assert RunDirectory(tmp_path / "run").read_status() == {"status": "finished"}
    assert signal.getsignal(number) == signal.SIG_IGN
