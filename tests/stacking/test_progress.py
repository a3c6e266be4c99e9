"""What a person sees while a stack trains."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from abreast.stacking.progress import ProgressTable, ranked


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


def test_the_best_lane_comes_first_and_a_failed_one_not_at_all() -> None:
    assert [value for _, _, value in ranked(stack(0.1, 0.5, 0.3, failed=1).lanes)] == [0.3, 0.5]


def test_a_line_an_epoch_without_a_terminal() -> None:
    out = io.StringIO()
    table = ProgressTable(TITLES, Console(file=out, width=40))
    table.on_block_end(stack(0.1))
    assert out.getvalue() == ""
    table.on_epoch_end(stack(0.1, 0.5, 0.3, failed=1))
    (line,) = out.getvalue().splitlines()
    for part in ("epoch 2/4", "2 of 3 lanes (1 failed)", "lane-steps/s", "s left", "best val/loss 0.3000"):
        assert part in line
    assert "(optim.lr=0.2)" in line


def test_a_live_table_in_a_terminal() -> None:
    out = io.StringIO()
    table = ProgressTable(TITLES, Console(file=out, width=100, force_terminal=True, highlight=False))
    table.on_epoch_end(stack(0.1, 0.5, 0.3, failed=1))
    drawn = out.getvalue()
    assert "val/loss 0.5000" in drawn
    table.on_block_end(stack(0.1, 0.7, 0.3))  # too soon for another drawing
    assert out.getvalue() == drawn
    table.close()
    table.close()
    assert "optim.lr=0.1" in out.getvalue()
