"""A study's own reference and margin, wherever below or above it a report starts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.report.groups import Analysis
from abreast.report.write import analyse_runs
from support.report_runs import config, write_run

MARGIN = 0.25


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The repeats of the reference (mse) test and validate worse than the others, which are repeated too."""
    folder = tmp_path / "studies" / "mine"
    cells = []
    for loss, level in (("mse", 0.8), ("hinge", 0.9), ("cross_entropy", 0.92)):
        write_run(folder / "tune" / loss, config(seed=0, loss=loss), metrics={"val/accuracy": level})
        runs = []
        for seed in (1, 2, 3):
            score = level + 0.01 * seed
            write_run(
                folder / "repeat" / f"{loss}{seed}", config(seed=seed, loss=loss), test=score, val=score
            )
            runs.append({"run": f"repeat/{loss}{seed}"})
        cells.append({"repeats": runs, "test": {"verdict": "winner" if loss == "mse" else "better"}})
    write_run(folder / "repeat" / "earlier", config(seed=4, loss="mse"), test=0.1, val=0.1)
    protocol = {"metric": "test/accuracy", "margin": MARGIN}
    content = {"status": "finished", "protocol": protocol, "cells": cells}
    (folder / "study.json").write_text(json.dumps(content))
    (folder / "multirun.yaml").write_text("")
    return folder


def reference(analysis: Analysis) -> str:
    (task,) = analysis.tasks
    assert task.winner is not None
    return task.winner.label


def test_its_directory_what_lies_in_it_and_what_holds_it_take_the_same_reference(study: Path) -> None:
    link = study.parent.parent / "link"
    link.symlink_to(study)
    runs = list((study / "repeat").iterdir())
    for directories in (
        *([study], [study / "repeat"], runs, [study, study / "repeat"], [study.parent]),
        *([link / "repeat"], [study / "repeat", study / "tune"]),
        [path for path in runs if path.name != "hinge1"],
    ):
        analysis = analyse_runs(directories)
        assert reference(analysis) == "loss=mse", directories
        assert (analysis.metric, analysis.margin, analysis.notes) == ("test/accuracy", MARGIN, [])
        (task,) = analysis.tasks
        assert not any(run.path.name == "earlier" for group in task.groups for run in group.runs)
        comparison = task.groups[1].comparison
        assert comparison is not None
        # Corrected for two comparisons with the reference, not for three pairs.
        assert comparison.p is not None
        assert comparison.p_adjusted is not None
        assert comparison.p_adjusted <= 2 * comparison.p


def test_a_study_may_be_moved(study: Path) -> None:
    moved = study.parent.parent / "elsewhere"
    study.rename(moved)
    assert reference(analyse_runs([moved / "repeat"])) == "loss=mse"


def test_the_margin_and_the_metric_of_the_command_come_first(study: Path) -> None:
    analysis = analyse_runs([study / "repeat"], margin=0.01)
    assert (reference(analysis), analysis.margin) == ("loss=mse", 0.01)
    analysis = analyse_runs([study / "repeat"], metric="val/accuracy")
    assert (reference(analysis), analysis.margin) == ("loss=mse", None)


def test_tuning_runs_are_an_ordinary_sweep(study: Path) -> None:
    analysis = analyse_runs([study / "tune"])
    assert (analysis.metric, analysis.margin) == ("val/accuracy", None)
    assert len(analysis.sweep.runs) == 3


def test_without_its_reference_all_pairs_count_and_it_is_said(study: Path) -> None:
    runs = [path for path in (study / "repeat").iterdir() if path.name[:3] != "mse"]
    analysis = analyse_runs([path for path in runs if path.name != "earlier"])
    assert reference(analysis) == "loss=cross_entropy"
    (note,) = analysis.notes
    assert "The reference of the study mine is not among these runs" in note


def test_beside_other_runs_and_other_studies_the_reference_was_not_fixed_beforehand(study: Path) -> None:
    other = study.parent.parent / "other"
    for seed in (11, 12):
        write_run(other / f"{seed}", config(seed=seed, loss="huber"), test=0.95, val=0.99)
    analysis = analyse_runs([study, other])
    assert (reference(analysis), analysis.margin) == ("loss=huber", None)
    second = Path(shutil.copytree(study, study.parent / "second"))
    for file in second.glob("repeat/*/config.yaml"):
        file.write_text(re.sub(r"^seed: ", "seed: 1", file.read_text(), flags=re.MULTILINE))
    assert reference(analyse_runs([study, second])) == "loss=cross_entropy"
    # Each on its own data: each has its own reference.
    for file in second.glob("repeat/*/config.yaml"):
        file.write_text(file.read_text().replace("val_fraction: 0.1", "val_fraction: 0.3"))
    tasks = analyse_runs([study, second]).tasks
    assert len(tasks) == 2
    assert all(task.winner and task.winner.label.endswith("loss=mse") for task in tasks)


def test_a_study_that_runs_is_a_sweep_and_a_file_of_that_name_no_study(study: Path) -> None:
    file = study / "study.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": "tuned"}))
    assert reference(analyse_runs([study / "repeat"])) == "loss=cross_entropy"
    file.write_text("[1]")
    with pytest.raises(RunError, match=r"study\.json: not the result of a study"):
        analyse_runs([study / "repeat"])
    (study / "multirun.yaml").unlink()  # so it may be anyone's
    assert reference(analyse_runs([study / "repeat"])) == "loss=cross_entropy"
