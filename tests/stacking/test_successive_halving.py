"""Successive halving drops the right lanes, frees their work, and finds what the whole grid finds."""

from __future__ import annotations

import math
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from abreast.errors import ConfigError
from abreast.runs.directory import RunDirectory
from abreast.stacking import successive_halving
from abreast.stacking.build import Job
from abreast.stacking.successive_halving import check
from support.command_line import run_command
from support.helpers import compose, program_environment, same

LRS = "optim.lr=0.3,0.1,0.03,0.01,0.003,0.001,0.0003,0.0001,0.00001"
GRID = ("data=digits", "trainer.max_epochs=9", "optim=sgd,adam,rmsprop", LRS, "test=false")
SMALL = ("data=random", "data.size=200", "trainer.max_epochs=3", "optim=sgd", "optim.lr=1,0.1,0.01,0.001")
CONFIG = compose()


@pytest.mark.parametrize(
    ("rungs", "keep", "configs", "message"),
    [
        ([], 0.5, [], r"halving=\[\]: must be epochs in rising order"),
        ([3, 1], 0.5, [], r"halving=\[3, 1\]: must be epochs in rising order"),
        ([0, 1], 0.5, [], "from 1 on"),
        ([1, 1], 0.5, [], "rising order"),
        ([1], 1.0, [], r"keep=1.0: must be a share of the lanes, in \(0, 1\)"),
        ([1], 0.5, [compose("data.val_fraction=0")], "leaves no examples for it"),
        (
            [1],
            0.5,
            [CONFIG, compose("monitor=val/loss")],
            "one metric, but they monitor val/accuracy, val/loss",
        ),
        ([1], 0.5, [compose("monitor=val/loss", f"loss={x}") for x in ("mse", "hinge")], "different losses"),
    ],
)
def test_what_is_refused(rungs: list[int], keep: float, configs: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(rungs, keep, configs)


@pytest.mark.parametrize(
    "configs",
    [[CONFIG], [compose(f"loss={name}") for name in ("mse", "hinge")], [compose("monitor=val/loss")] * 2],
)
def test_what_is_allowed(configs: list[Any]) -> None:
    check([1, 3, 9], 1 / 3, configs)


def test_the_worst_lanes_are_dropped_and_the_others_train_as_if_alone(sweep: Callable[..., Any]) -> None:
    whole = sweep(*SMALL, name="whole")
    halved = sweep(*SMALL, "hydra.launcher.halving=[1,2]", "hydra.launcher.keep=0.5", name="halved")
    assert halved.statuses() == ["dropped", "dropped", "dropped", "finished"]
    # What the whole grid's runs had after each epoch says which are to be dropped.
    left = {name: run.read_metrics() for name, run in whole.runs().items()}
    for epoch, kept in ((1, 2), (2, 1)):
        # A tie keeps the order of the lanes, which is not known here.
        ranked = sorted(left, key=lambda name: -left[name][epoch - 1]["val/accuracy"])
        bar = left[ranked[kept - 1]][epoch - 1]["val/accuracy"]
        reason = rf"dropped after epoch {epoch}: rank [2-4] of {len(left)} by val/accuracy"
        for name in ranked:
            status = halved.runs()[name].read_status()
            if status.get("dropped_at") == epoch:
                assert left[name][epoch - 1]["val/accuracy"] <= bar
                assert re.fullmatch(reason, status["reason"])
                assert [row["epoch"] for row in halved.runs()[name].read_metrics()] == [*range(1, epoch + 1)]
                assert halved.runs()[name].read_result()["status"] == "dropped"
                del left[name]
        assert len(left) == kept
    (survivor,) = left
    assert same(halved.weights()[survivor], whole.weights()[survivor])


def test_the_same_command_again_leaves_the_dropped_as_they_are(sweep: Callable[..., Any]) -> None:
    first = sweep(*SMALL, "hydra.launcher.halving=[1]", "hydra.launcher.keep=0.5")
    before = first.weights()
    again = sweep(*SMALL, "hydra.launcher.halving=[1]", "hydra.launcher.keep=0.5")
    assert "4 of 4 runs are finished already" in again.output
    assert again.statuses() == ["dropped", "dropped", "finished", "finished"]
    assert same(again.weights(), before)
    # Without halving there is more to train, and it comes to what it would have come to.
    whole, completed = sweep(*SMALL, name="whole"), sweep(*SMALL)
    assert completed.statuses() == ["finished"] * 4
    assert same(completed.weights(), whole.weights())


@pytest.mark.parametrize("earlier", [0, 1, 3, 4])
def test_lanes_are_compared_with_runs_that_are_in_no_stack_any_more(
    earlier: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of six are kept, however many an earlier process had dropped when it was killed."""
    values = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    lanes = [lane(tmp_path / str(number), value) for number, value in enumerate(values)]
    for other in lanes[2 : 2 + earlier]:
        other.directory.write_status("dropped")
    left = [*lanes[:2], *lanes[2 + earlier :]]
    assert dropped(left, left, lanes, monkeypatch) == {
        str(number): f"rank {number + 1} of 6" for number in range(2 + earlier, 6)
    }


@pytest.mark.parametrize("status", ["running", "finished", "failed"])
@pytest.mark.parametrize("in_stack", [True, False])
def test_lanes_that_ended_by_themselves_before_a_rung_are_not_compared(
    in_stack: bool, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the stack their status may still be that of a run that is trained."""
    lanes = [lane(tmp_path / str(number), 0.9 - number / 10) for number in range(6)]
    for ended in lanes[:3]:
        ended.directory.write_status(status)
    is_compared = status == "running" and not in_stack  # another process has come as far with it
    assert dropped(lanes[3:], lanes if in_stack else lanes[3:], lanes, monkeypatch) == (
        {str(number): f"rank {number + 1} of 6" for number in (3, 4, 5)}
        if is_compared
        else {"4": "rank 2 of 3", "5": "rank 3 of 3"}
    )


def test_a_run_that_left_nothing_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = [lane(tmp_path / str(number), 0.9 - number / 10) for number in range(5)]
    (lanes[0].directory.path / "metrics.csv").unlink()  # it failed before
    (lanes[1].directory.path / "status.json").unlink()
    assert dropped(lanes[2:], lanes[2:], lanes, monkeypatch) == {"3": "rank 2 of 3", "4": "rank 3 of 3"}


@pytest.mark.parametrize("values", [[0.3, math.nan, 0.9, 0.5, math.nan, 0.7], [math.nan] * 4 + [0.9, 0.7]])
def test_what_is_not_a_number_is_the_worst(
    values: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = [lane(tmp_path / str(number), value) for number, value in enumerate(values)]
    kept = {str(values.index(value)) for value in (0.9, 0.7)}
    for count in (6, 5):  # the last was not in the stack
        left = lanes[:count]
        assert {path.name for path in tmp_path.iterdir()} - {*dropped(left, left, lanes, monkeypatch)} == {
            *kept,
            *map(str, range(count, 6)),
        }


def lane(path: Path, value: float) -> Any:
    """A lane that has trained one epoch."""
    directory = RunDirectory(path)
    path.mkdir()
    directory.append_metrics({"epoch": 1.0, "step": 1.0, "seconds": 0.0, "val/accuracy": value})
    directory.write_status("running")
    cfg = {**CONFIG, "monitor": "val/accuracy"}
    trainer = SimpleNamespace(callback_metrics={"val/accuracy": value})
    return SimpleNamespace(
        directory=directory, cfg=cfg, trainer=trainer, guarded=lambda call, *args: call(*args)
    )


def dropped(
    running: Sequence[Any], stack: Sequence[Any], peers: Sequence[Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The lanes that are dropped when a third is kept after the first epoch, with their ranks."""
    ranks: dict[str, str] = {}
    monkeypatch.setattr(
        successive_halving,
        "drop",
        lambda lane, epoch, rank: ranks.update({lane.directory.path.name: rank}),
    )
    jobs = [Job(peer.cfg, peer.directory.path) for peer in peers]
    halved: Any = SimpleNamespace(running=running, lanes=stack, compact=lambda: None)
    successive_halving.Halving([1], 1 / 3, jobs)._drop_worst(halved, 1)
    return ranks


KILLED = """
import os, signal, sys
from abreast.cli.main import main
from abreast.stacking import successive_halving

calls, drop = [], successive_halving.drop

def killed(*arguments):
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(1)
    drop(*arguments)

successive_halving.drop = killed
sys.argv[0] = "train.py"
main()
"""


@pytest.mark.long
def test_a_kill_between_two_drops_changes_none(sweep: Callable[..., Any], tmp_path: Path) -> None:
    """Of the three that are left after three drops, a third would be one."""
    six = (*SMALL[:-1], "optim.lr=1,0.3,0.1,0.01,0.001,0.0001", "hydra.launcher.halving=[1]")
    whole = sweep(*six, name="whole")
    arguments = ["-m", "trainer.accelerator=cpu", "logger=none", *six, "hydra.sweep.dir=killed"]
    done = run_command([sys.executable, "-c", KILLED, *arguments], tmp_path, **program_environment())
    assert done.code == -signal.SIGKILL
    statuses = [RunDirectory(path.parent).read_status() for path in tmp_path.glob("killed/*/status.json")]
    assert sorted(status["status"] for status in statuses) == ["dropped"] * 3 + ["running"] * 3
    again = sweep(*six, name="killed")
    reasons = [
        {name: run.read_status().get("reason") for name, run in swept.runs().items()}
        for swept in (whole, again)
    ]
    assert reasons[0] == reasons[1]
    assert [*reasons[0].values()].count(None) == 2
    assert same(whole.weights(), again.weights())


@pytest.mark.long
def test_it_finds_as_good_a_setting_as_the_whole_grid(sweep: Callable[..., Any]) -> None:
    # 27 lanes for 1 epoch, 9 for 2, 3 for 6: 63 of 243 lane-epochs. With seeds 0 to 4 the best of both had
    # the same validation accuracy, to the row.
    best = []
    for name, more in (("whole", ()), ("halved", ("hydra.launcher.halving=[1,3]",))):
        found = sweep(*GRID, *more, name=name)
        results = [run.read_result()["metrics"]["val/accuracy"] for run in found.runs().values()]
        assert len(results) == 27
        best.append(max(results))
    assert best[1] >= best[0] - 1 / 144  # one of the validation examples
    assert "27 lanes were trained with 26 % of the lane-steps" in found.output
    assert found.statuses() == ["dropped"] * 24 + ["finished"] * 3
