"""The cells of a study compared: margins, and repeats that ended at chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.study.cells import Cell
from abreast.study.comparison import CellComparison, compare_cells
from abreast.study.criteria import Criteria, Criterion
from abreast.study.selection import Outcome, Trial, choose
from abreast.study.space import Values

CHANCE = 0.15


def compared(tests: dict[str, list[float]], margin: float | None = None) -> CellComparison:
    """Cells whose validation in tuning is in the order of the names; accuracies below `CHANCE` collapsed."""
    choices, repeats = [], []
    for number, (name, values) in enumerate(tests.items()):
        cell = Cell(name, {"cell": name}, (), {"optim.lr": Values((0.1,))})
        tuned = Outcome(Path(), 0, 0.9 - 0.01 * number, "", {"val/accuracy": 0.9 - 0.01 * number})
        choices.append(choose(cell, [Trial({"optim.lr": 0.1}, (tuned,))], "val/accuracy", "max"))
        repeats.append(
            [
                Outcome(Path(), seed, value, "", {"test/accuracy": value}, value < CHANCE)
                for seed, value in enumerate(values)
            ]
        )
    criteria = tuple(Criterion({"cell": name}, "val/accuracy", "max", 0.0) for name in tests)
    return compare_cells(choices, Criteria(criteria, "test/accuracy"), repeats, margin)


def test_repeats_at_chance_are_counted_apart() -> None:
    found = compared(
        {"a": [0.95, 0.96, 0.955, 0.952], "b": [0.1, 0.95, 0.96, 0.1], "c": [0.1, 0.1, 0.1, 0.1]}
    )
    assert [(summary.n, summary.collapsed) for summary in found.summaries] == [(4, 0), (2, 2), (0, 4)]
    assert found.summaries[1].mean == pytest.approx(0.955)
    ranking = found.rankings[0]
    assert ranking.winner == "a"
    assert ranking.verdict("c") == "collapsed"


def test_a_cell_that_collapsed_is_not_the_reference() -> None:
    assert compared({"a": [0.1, 0.1], "b": [0.95, 0.96]}).rankings[0].winner == "b"


def test_a_margin_tells_equivalent_cells() -> None:
    tests = {"a": [0.950, 0.952, 0.951, 0.949, 0.950], "b": [0.951, 0.950, 0.951, 0.950, 0.949]}
    assert compared(tests, margin=0.02).rankings[0].verdict("b") == "equivalent"
    assert compared(tests).rankings[0].verdict("b") in ("not significantly different", "inconclusive")


def test_intervals_stay_within_the_range_of_the_metric() -> None:
    (summary,) = compared({"a": [1.0, 0.99, 1.0]}).summaries
    assert summary.high is not None
    assert summary.high <= 1
