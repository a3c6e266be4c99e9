"""Choosing on given results: equal scores, failures, edges, directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abreast.runs.directory import RunDirectory
from abreast.study.cells import Cell
from abreast.study.selection import Trial, choose, read_outcome
from abreast.study.space import Values

RATES = (0.001, 0.01, 0.1, 1.0)


def ended(folder: Path, value: float | None, reason: str = "diverged at step 3") -> Path:
    """A run's directory as it is after a run with that validation accuracy, or without."""
    run = RunDirectory(folder)
    if value is None:
        run.write_status("failed", reason=reason)
        return folder
    run.write_status("finished")
    run.write_result({"metrics": {"val/accuracy": value, "val/loss": 1 - value}})
    return folder


@pytest.fixture
def chosen(tmp_path: Path) -> Any:
    """Choose among trials with these values, a row of seeds for each; gives the index and the warnings."""

    def choosing(*rows: Any, metric: Any = "val/accuracy", mode: Any = "max") -> Any:
        cell = Cell("it", {}, (), {"optim.lr": Values(RATES)}, tuple({"optim.lr": each} for each in RATES))
        trials = []
        for at, row in enumerate(rows):
            folders = [ended(tmp_path / f"{at}-{seed}", value) for seed, value in enumerate(row)]
            outcomes = tuple(read_outcome(path, seed, metric) for seed, path in enumerate(folders))
            trials.append(Trial({"optim.lr": RATES[at]}, outcomes))
        found = choose(cell, trials, metric, mode)
        return found.chosen, list(found.warnings)

    return choosing


def test_the_best_mean_over_the_seeds_is_chosen(chosen: Any) -> None:
    assert chosen([0.9, 0.9], [0.99, 0.7], [0.85, 0.97], [0.1, 0.1]) == (2, [])


def test_the_lowest_is_best_where_it_is_so(chosen: Any) -> None:
    assert chosen([0.9], [0.8], [0.95], [0.1], metric="val/loss", mode="min")[0] == 2


def test_of_equal_settings_the_first_is_chosen_with_a_warning(chosen: Any) -> None:
    assert chosen([0.5], [0.9], [0.9], [0.1]) == (
        1,
        ["it: 2 settings have the same best val/accuracy; the first of them was chosen (optim.lr=0.01)"],
    )


def test_a_setting_that_fails_on_one_seed_is_worse_than_any_that_does_not(chosen: Any) -> None:
    index, warnings = chosen([0.1, 0.1], [0.2, 0.2], [0.99, None], [0.05, 0.05])
    assert index == 1
    assert warnings == ["it: 1 of 4 trials failed and count as the worst (optim.lr=0.1: diverged at step 3)"]


def test_a_cell_in_which_all_failed_has_no_choice(chosen: Any) -> None:
    assert chosen([None], [None]) == (
        None,
        ["it: all 2 trials failed, so there is nothing to repeat (the first: diverged at step 3)"],
    )


@pytest.mark.parametrize(("best", "is_edge"), [(0, True), (1, False), (2, False), (3, True)])
def test_a_best_value_on_the_edge_is_warned_of(chosen: Any, best: int, is_edge: bool) -> None:
    index, warnings = chosen(*([0.9] if at == best else [0.1] for at in range(4)))
    assert index == best
    edge = f"it: optim.lr={RATES[best]:g} is at the edge of [0.001, 0.01, 0.1, 1]: values beyond it may be "
    assert warnings == [edge + "better"] * is_edge


def test_what_has_no_score_says_why(tmp_path: Path) -> None:
    assert read_outcome(tmp_path / "gone", 0, "val/accuracy").reason == "the run: no such run directory"
    RunDirectory(tmp_path / "stopped").write_status("interrupted", reason="interrupted from the keyboard")
    assert read_outcome(tmp_path / "stopped", 0, "val/accuracy").reason == "interrupted from the keyboard"
    ended(tmp_path / "other", 0.5)
    assert read_outcome(tmp_path / "other", 0, "val/r2").reason == "val/r2 is None"
