"""The order in which lanes end their epochs and their runs, and that one which fails does so alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from abreast.stacking import finish
from abreast.stacking.evaluation import Stage


class FakeLane:
    """Writes down what it is told.

    Args:
        log: Takes it.
        name: Its name.
        state: Its state.
        fails: What it fails at.
        unvalidated: Whether the weights that it chooses have not been validated.
    """

    def __init__(
        self, log: list[str], name: str, state: str = "stopped", fails: str = "", *, unvalidated: bool = False
    ) -> None:
        self.log, self.name, self.state, self.fails, self.unvalidated = log, name, state, fails, unvalidated
        self.data = None
        self.cfg: dict[str, Any] = {}
        self.began, self.share, self.epoch = 0.0, 1.0, 0
        self.checkpoints = SimpleNamespace(
            flush=lambda: self.note("flush"), one_moment=self.one_moment, __len__=lambda: 1
        )
        self.trainer = SimpleNamespace(should_stop=False, max_epochs=2)
        self.learner = SimpleNamespace(
            on_train_epoch_end=lambda: self.note("learner"),
            net=SimpleNamespace(eval=lambda: self.note("eval")),
            values={"val/loss": 1.0},
        )
        self.directory = SimpleNamespace(write_status=self.note)

    def note(self, what: str) -> None:
        if what == self.fails:
            raise ValueError(what)
        self.log.append(f"{self.name} {what}")

    def one_moment(self) -> AbstractContextManager[None]:
        self.note("one moment")
        return nullcontext()

    def call(self, hook: str, monitoring: bool | None = None) -> None:
        self.note(hook if monitoring is None else f"{hook} {'of monitors' if monitoring else 'of others'}")

    def stop(self) -> None:
        self.note("stop")

    def guarded(self, action: Callable[..., object], *arguments: object) -> None:
        try:
            action(*arguments)
        except ValueError:
            self.state = "failed"

    def load_chosen(self) -> Any:
        self.note("load")
        return SimpleNamespace(lack_validation=lambda data: self.unvalidated)

    def finish(self, chosen: object, seconds: float) -> None:
        assert seconds > 0
        self.note("finish")


def finished(lanes: Sequence[Any]) -> list[str]:
    """What is told, with the measurements in their places."""
    log: list[str] = lanes[0].log

    def measure(members: Sequence[Any], stage: str) -> None:
        log.append(f"{stage} of {' '.join(lane.name for lane in members)}")
        for lane in members:
            lane.guarded(lane.note, stage)

    finish.finish_lanes(lanes, measure)  # type: ignore[arg-type]
    return log


@pytest.mark.parametrize(
    ("should_stop", "epoch", "stops"), [(False, 0, []), (True, 0, ["a stop"]), (False, 1, ["a stop"])]
)
def test_an_epoch_ends_in_the_order_of_an_individual_run(
    should_stop: bool, epoch: int, stops: list[str]
) -> None:
    lane: Any = FakeLane([], "a", "running")
    lane.trainer.should_stop, lane.epoch = should_stop, epoch
    finish.end_epoch(lane)
    hook = "on_train_epoch_end"
    assert lane.log == [f"a {hook} of others", "a learner", "a one moment", f"a {hook} of monitors", *stops]


def test_only_lanes_that_stopped_are_measured_and_written() -> None:
    log: list[str] = []
    lanes = [FakeLane(log, "a"), FakeLane(log, "b", "dropped"), FakeLane(log, "c", unvalidated=True)]
    told = finished([*lanes, FakeLane(log, "d", "failed")])
    assert set(told[:4]) == {"a flush", "b flush", "c flush", "d flush"}
    before = ["a load", "c load", "val of c", "c val", "test of a c", "a test", "c test"]
    assert told[4:11] == before
    assert sorted(told[11:]) == ["a finish", "a finished", "c finish", "c finished"]


@pytest.mark.parametrize("fails", ["flush", "test", "finish"])
def test_a_lane_that_fails_is_not_written_and_others_are(fails: str) -> None:
    log: list[str] = []
    lanes = [FakeLane(log, "a", fails=fails), FakeLane(log, "b")]
    told = finished(lanes)
    assert [lane.state for lane in lanes] == ["failed", "stopped"]
    assert ("b finished" in told, "a finished" in told) == (True, False)


def test_a_run_without_a_test_is_written_without_one() -> None:
    lane = FakeLane([], "a")
    lane.cfg["test"] = False
    assert finished([lane]) == ["a flush", "a load", "a finish", "a finished"]


@pytest.mark.parametrize(
    ("stage", "told"), [("val", ["a eval", "b eval"]), ("test", ["a eval", "b eval", "a on_test_end"])]
)
def test_lanes_that_have_ended_are_measured_between_epochs(
    stage: Stage, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    lanes: list[Any] = [FakeLane(log, "a"), FakeLane(log, "b")]
    recorded: list[str] = []

    class Fake:
        def measure(self) -> None:
            recorded.append("measured")

        def record(self, state: str) -> None:
            recorded.append(state)
            lanes[1].state = "failed"  # as one with a metric that raises

    monkeypatch.setattr(finish, "evaluations", lambda members, stage: [Fake()])
    finish.measure_between_epochs(lanes, stage)
    assert (log, recorded) == (told, ["measured", "stopped"])
    assert lanes[0].learner.values == ({} if stage == "val" else {"val/loss": 1.0})
