"""What a person sees while a stack trains."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from abreast.stacking.lane import LaneState
from abreast.stacking.lane_progress import LaneProgress
from abreast.stacking.progress import ProgressTable


def stack(*values: float, failed: int = 0) -> Any:
    lanes = [
        SimpleNamespace(
            state="failed" if number < failed else "running",
            running=number >= failed,
            epoch=1,
            steps=50,
            cfg={"monitor": "val/loss", "data": {"val_fraction": 0.1, "task": "classification"}},
            directory=SimpleNamespace(path=Path(f"/sweep/{number}")),
            learner=SimpleNamespace(values={"val/loss": value}, total_steps=100),
        )
        for number, value in enumerate(values)
    ]
    return SimpleNamespace(lanes=lanes, max_epochs=4)


NONE: Mapping[Path, LaneState] = {}
TITLES = {Path("/sweep/1"): "optim.lr=0.1", Path("/sweep/2"): "optim.lr=0.2"}


def table_of(
    width: int = 80, *, live: bool = False, waiting: int = 0, ends: Mapping[Path, LaneState] = NONE
) -> tuple[ProgressTable, io.StringIO]:
    out = io.StringIO()
    others = SimpleNamespace(count_waiting=waiting, ends=ends)
    console = Console(file=out, width=width, force_terminal=live, highlight=False, color_system=None)
    return ProgressTable(TITLES, others, console), out


def test_the_best_lane_comes_first_and_a_failed_one_not_at_all() -> None:
    table, _ = table_of()
    progress = stack(0.1, 0.5, 0.3, failed=1)
    table.on_epoch_end(progress)
    assert [best.value for _, best, _ in table.ranked([*map(LaneProgress.of, progress.lanes)])] == [0.3, 0.5]


def test_the_best_is_that_of_all_epochs() -> None:
    table, out = table_of()
    for epoch, value in enumerate((0.4, 0.2, float("nan"), 0.3), start=1):
        progress = stack(0.9, value)
        progress.lanes[1].epoch = epoch - 1
        table.on_epoch_end(progress)
    ((_, best, _), _) = table.ranked([*map(LaneProgress.of, progress.lanes)])
    assert (best.value, best.epoch) == (0.2, 2)
    assert "best val/loss 0.2000 (optim.lr=0.1)" in out.getvalue().splitlines()[-1]


def test_a_line_an_epoch_without_a_terminal() -> None:
    table, out = table_of(40)
    table.on_block_end(stack(0.1))
    assert out.getvalue() == ""
    table.on_epoch_end(stack(0.1, 0.5, 0.3, failed=1))
    (line,) = out.getvalue().splitlines()
    for part in ("epoch 2/4", "2 of 3 lanes (1 failed)", "lane-steps/s", "s left", "best val/loss 0.3000"):
        assert part in line
    assert "(optim.lr=0.2)" in line


def test_a_long_training_has_about_a_hundred_lines() -> None:
    table, out = table_of()
    trained = stack(0.5, 0.25)
    trained.max_epochs = 1002
    for epoch in range(1002):
        for lane in trained.lanes:
            lane.epoch = epoch
        table.on_epoch_end(trained)
    lines = out.getvalue().splitlines()
    assert len(lines) == 93  # every 11th, the first and the last one
    assert lines[-1].startswith("epoch 1002/1002")


def test_no_escape_codes_where_none_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as context:
            context.setenv(name, value)
            table, out = table_of(live=True)
            table.on_epoch_end(stack(0.1, 0.5))
            table.close()
            assert "\x1b" not in out.getvalue()
            assert "epoch 2/4" in out.getvalue()


@pytest.mark.parametrize("width", [80, 40])
def test_a_live_table_in_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table, out = table_of(width, live=True)
    table.on_epoch_end(stack(0.1, 0.5, 0.3, failed=1))
    drawn = out.getvalue()
    assert "0.5000" in drawn
    table.on_block_end(stack(0.1, 0.7, 0.3))  # too soon for another drawing
    assert out.getvalue() == drawn
    table.close()
    table.close()
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in drawn.splitlines()]
    assert max(map(len, lines)) <= width
    assert "epoch 2/4" in lines[0]
    assert "s left" in lines[0]
    assert ("2 of 3 lanes" in lines[0]) == (width == 80)
    assert lines[1] == "best val/loss"
    assert lines[2].split() == ["0.3000", *(["epoch", "2"] if width == 80 else []), "optim.lr=0.2"]


MANY: Mapping[Path, LaneState] = {
    Path(f"/earlier/{number}"): "stopped" if number else "failed" for number in range(12)
}


def test_runs_that_wait_and_runs_that_have_left_are_counted() -> None:
    table, out = table_of(waiting=100, ends=MANY)
    table.on_epoch_end(stack(*(0.1 for _ in range(17)), failed=1))
    (line,) = out.getvalue().splitlines()
    assert line.startswith("13 of 129 done (2 failed), 16 training, 100 waiting  ")
    table, out = table_of(ends=MANY)
    table.on_epoch_end(stack(0.1, 0.2))
    assert "12 of 14 done (1 failed), 2 training  " in out.getvalue()


def test_the_best_so_far_may_have_left_unless_it_failed() -> None:
    ends: dict[Path, LaneState] = {}
    table, out = table_of(ends=ends)
    first, then = stack(0.9, 0.1, 0.2), stack(0.9, 0.5)
    table.on_epoch_end(first)
    ends[Path("/sweep/1")], ends[Path("/sweep/2")] = "stopped", "dropped"
    then.lanes[1].directory.path = Path("/sweep/3")
    table.on_epoch_end(then)
    assert "best val/loss 0.1000 (optim.lr=0.1)" in out.getvalue().splitlines()[-1]
    assert [state for _, _, state in table.ranked([*map(LaneProgress.of, then.lanes)])] == [
        "stopped",
        "dropped",
        "running",
        "running",
    ]
    ends[Path("/sweep/1")] = "failed"
    table.on_epoch_end(then)
    assert "best val/loss 0.2000 (optim.lr=0.2)" in out.getvalue().splitlines()[-1]


def test_time_left_follows_what_was_trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the steps of lanes before they were resumed; but those of lanes that have left."""
    now = [0.0]
    monkeypatch.setattr("abreast.stacking.progress.time.perf_counter", lambda: now[0])
    table, out = table_of(waiting=3)
    progress = stack(0.1, 0.2)
    table.on_begin(progress.lanes)  # with 50 of 100 steps each
    for lane in progress.lanes:
        lane.steps += 10
    now[0] = 2.0
    table.on_epoch_end(progress)  # 20 steps in 2 s; 80 of the lanes and 300 are left
    assert "  38 s left  " in out.getvalue()
    assert "  10 lane-steps/s" in out.getvalue()
    progress.lanes = progress.lanes[:1]
    progress.lanes[0].steps += 10
    now[0] = 3.0
    table.on_epoch_end(progress)
    assert "  33 s left  " in out.getvalue().splitlines()[-1]  # 330 by 30 in 3 s


@pytest.mark.parametrize("width", [80, 40])
def test_a_refilled_stack_fits_in_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table, out = table_of(width, live=True, waiting=100, ends=MANY)
    table.on_epoch_end(stack(*(0.1 for _ in range(16))))
    table.close()
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in out.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("12 of 128 done (1 failed)")
    assert (", 16 training, 100 waiting  " in lines[0]) == (width == 80)
    assert "s left" in lines[0]
