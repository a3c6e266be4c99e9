"""The result of a study."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from abreast.study.cells import Cell
from abreast.study.results import StudyResult
from abreast.study.selection import Choice


def result(*choices: tuple[str, tuple[str, ...]]) -> StudyResult:
    """A study whose cells, by name, have these warnings."""
    protocol: Any = SimpleNamespace(repeats=(1, 2))
    made = tuple(
        Choice(
            Cell(name, {}, (), {}, ()),
            (),
            "val/accuracy",
            "max",
            None,
            tuple(f"{name}: {line}" for line in lines),
        )
        for name, lines in choices
    )
    criteria: Any = None
    return StudyResult(protocol, Path("study"), (), made, criteria)


class TestWarnings:
    def test_cells_with_one_warning_share_its_line(self) -> None:
        edge, tie = "optim.lr=1 is at the edge", "2 settings are equal"
        study = result(("a", (edge,)), ("b", (tie, edge)))
        assert study.warnings == [f"a; b: {edge}", f"b: {tie}"]

    def test_of_many_cells_three_are_named(self) -> None:
        for number, rest in ((4, "1 other cell"), (6, "3 other cells")):
            study = result(*((name, ("at the edge",)) for name in "abcdef"[:number]))
            assert study.warnings == [f"a; b; c and {rest}: at the edge"]

    def test_without_warnings_there_is_no_line(self) -> None:
        assert result(("a", ())).warnings == []
