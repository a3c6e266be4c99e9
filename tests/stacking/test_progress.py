"""What a person sees while a stack trains."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

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


TITLES = {"/sweep/1": "optim.lr=0.1", "/sweep/2": "optim.lr=0.2"}


def table_of(width: int = 80, *, live: bool = False) -> tuple[ProgressTable, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=live, highlight=False, color_system=None)
    return ProgressTable(TITLES, console), out


def test_the_best_lane_comes_first_and_a_failed_one_not_at_all() -> None:
    table, _ = table_of()
    progress = stack(0.1, 0.5, 0.3, failed=1)
    table.on_epoch_end(progress)
    assert [best.value for _, best in table.ranked(progress.lanes)] == [0.3, 0.5]


def test_the_best_is_that_of_all_epochs() -> None:
    table, out = table_of()
    for epoch, value in enumerate((0.4, 0.2, float("nan"), 0.3), start=1):
        progress = stack(0.9, value)
        progress.lanes[1].epoch = epoch - 1
        table.on_epoch_end(progress)
    ((_, best), _) = table.ranked(progress.lanes)
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
