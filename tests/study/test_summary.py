"""The table of a study's cells in the terminal: no number is broken, and no line too long."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from abreast.study.cells import Cell
from abreast.study.comparison import compare_cells
from abreast.study.criteria import Criteria, Criterion
from abreast.study.selection import Outcome, Trial, choose
from abreast.study.space import Values
from abreast.study.summary import print_cells

TESTS = {"momentum": (0.9801, 0.9812, 0.9783), "rmsprop": (0.9605, 0.9514, 0.9732), "sgd": (0.1, 0.1, 0.1)}


def study() -> Any:
    """Three cells: the reference, one that is compared, and one whose repeats all ended at chance."""
    choices, repeats = [], []
    for number, (optim, values) in enumerate(TESTS.items()):
        parts = {"loss": "generalized_cross_entropy", "optim": optim}
        cell = Cell(", ".join(parts.values()), parts, (), {"optim.lr": Values((0.0003,))})
        tuned = Outcome(Path(), 0, 0.99 - 0.01 * number, "", {"val/accuracy": 0.99 - 0.01 * number})
        choices.append(choose(cell, [Trial({"optim.lr": 0.0003}, (tuned,))], "val/accuracy", "max"))
        repeats.append(
            [Outcome(Path(), n, v, "", {"test/accuracy": v}, v < 0.2) for n, v in enumerate(values)]
        )
    criteria = Criteria(
        tuple(Criterion(choice.cell.parts, "val/accuracy", "max", 0.0) for choice in choices), "test/accuracy"
    )
    return SimpleNamespace(
        protocol=SimpleNamespace(cells=[choice.cell for choice in choices]),
        choices=choices,
        criteria=criteria,
        comparison=compare_cells(choices, criteria, repeats, None),
        order=lambda: range(len(choices)),
    )


@pytest.mark.parametrize("width", [140, 90, 60, 40])
def test_it_fits_the_terminal(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_cells(study(), Console(width=width, highlight=False))
    out = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    words = " ".join(out.split())
    for text in ("generalized_cross_entropy", "momentum", "lr=0.0003", "0.9799", "0.9900", "reference"):
        assert text in words
    assert "collapsed (3 of 3)" in words
