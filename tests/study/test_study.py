"""Studies from the command line, on data that train in seconds."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from abreast.report.write import write_report
from abreast.runs.directory import RunDirectory
from abreast.runs.looks import read_looks
from support.command_line import Outcome
from support.forks import run_forked
from support.helpers import ROOT

SMALL = [
    *("data=random", "data.size=300", "data.test_size=300", "data.classes=3", "model.hidden=[16]"),
    *("trainer=cpu", "trainer.max_epochs=2", "callbacks=none", "logger=none"),
]
CELLS = [
    *("+study=loss_x_optim", "loss=cross_entropy,mse", "optim=sgd,adam", "optim.lr=0.003,0.03"),
    *("hydra.sweeper.trials=2", "hydra.sweeper.repeat_seeds=[7,8,9]"),
]


def run_study(folder: Path, *arguments: str, without: str = "no key") -> tuple[Outcome, dict[str, Any]]:
    """Run a study in a folder; what it said and its study.json."""
    keys = {each.partition("=")[0] for each in arguments} | {without}
    small = [each for each in SMALL if each.partition("=")[0] not in keys]
    outcome = run_forked(["-m", *small, *arguments], folder)
    assert outcome.code == 0, outcome.out + outcome.err
    return outcome, findings(folder)


def findings(folder: Path) -> dict[str, Any]:
    (file,) = folder.rglob("study.json")
    return {**json.loads(file.read_text()), "folder": file.parent}


def mine(folder: Path, cells: object, space: object) -> list[str]:
    """A custom study, in a YAML outside the package."""
    sweeper = {"cells": cells, "space": space, "repeat_seeds": [7, 8, 9, 10, 11]}
    content = {"defaults": [{"override /hydra/sweeper": "abreast_study"}], "hydra": {"sweeper": sweeper}}
    file = folder / "conf" / "study" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"# @package _global_\n{yaml.safe_dump(content)}")
    return ["--config-dir", "conf", "+study=mine"]


RATES = {"default": {"optim.lr": [0.003, 0.03]}}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One small study, for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("study")
    return (*run_study(folder, *CELLS), folder)


def test_every_cell_has_its_trials_and_the_best_of_them_is_repeated(small: Any) -> None:
    _, found, _ = small
    assert found["status"] == "finished"
    assert [cell["name"] for cell in found["cells"]] == [
        *("cross_entropy, sgd", "cross_entropy, adam", "mse, sgd", "mse, adam")
    ]
    for cell in found["cells"]:
        values = {}
        for trial in cell["trials"]:
            (run,) = trial["runs"]
            result = RunDirectory(found["folder"] / run["run"]).read_result()
            assert result["metrics"]["val/accuracy"] == trial["validation"]
            values[trial["setting"]["optim.lr"]] = trial["validation"]
        assert list(values) == [0.003, 0.03]
        assert cell["chosen"]["optim.lr"] == max(values, key=values.__getitem__)
        assert [run["seed"] for run in cell["repeats"]] == [7, 8, 9]
        for run in cell["repeats"]:
            config = RunDirectory(found["folder"] / run["run"]).read_config()
            assert (config["seed"], config["optim"]["lr"]) == (run["seed"], cell["chosen"]["optim.lr"])
            assert (config["names"]["loss"], config["names"]["optim"]) == tuple(cell["parts"].values())


def test_the_test_rows_are_for_the_repeats_alone(small: Any) -> None:
    _, found, _ = small
    for cell in found["cells"]:
        for run in [run for trial in cell["trials"] for run in trial["runs"]]:
            metrics = RunDirectory(found["folder"] / run["run"]).read_result()["metrics"]
            assert not [name for name in metrics if name.startswith("test/")]
        for run in cell["repeats"]:
            metrics = RunDirectory(found["folder"] / run["run"]).read_result()["metrics"]
            assert metrics["test/accuracy"] == run["value"]


def test_the_comparisons_are_of_the_repeats_with_the_reference(small: Any) -> None:
    _, found, _ = small
    reference = max(found["cells"], key=lambda cell: cell["validation"])
    assert reference["test"]["verdict"] == "winner"
    compared = 0
    for cell in found["cells"]:
        if cell is not reference and cell["test"]["verdict"] != "collapsed":
            compared += 1
            values = [[run["value"] for run in each["repeats"]] for each in (cell, reference)]
            comparison = cell["test"]["comparison"]
            assert comparison["test"] in ("paired t", "blocked t")
            assert comparison["difference"] == pytest.approx(mean(values[0]) - mean(values[1]))
            assert comparison["p_adjusted"] >= comparison["p"]
            significant = not comparison["low"] <= 0 <= comparison["high"]
            assert (cell["test"]["verdict"] in ("better", "worse")) == significant
    assert compared


def test_the_terminal_and_the_page_show_it(small: Any) -> None:
    outcome, found, _ = small
    table = outcome.out[outcome.out.index("\nloss ") :]
    for cell in found["cells"]:
        mean_value = cell["test"]["mean"]
        assert ("collapsed (3 of 3)" if mean_value is None else f"{mean_value:.4f}") in table
    assert all(warning in table for warning in found["warnings"])
    assert "examples would move the test accuracy of the best group by up to ±" in table
    page = found["folder"] / "report" / "report.html"
    assert str(page) in table
    text = page.read_text()
    for part in ("Performance against budget", "The study", "Learning rates tried", "budget-curve"):
        assert part in text
    assert (found["folder"] / "report" / "runs.csv").read_text().count("\n") == 1 + 4 * 2 + 4 * 3


def test_the_same_command_again_trains_nothing(small: Any) -> None:
    _, found, folder = small
    results = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    assert len(results) == 4 * 2 + 4 * 3
    outcome, again = run_study(folder, *CELLS)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")} == results
    assert again == found
    assert "epoch" not in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize("stage", [pytest.param("tune", marks=pytest.mark.long), "repeat"])
def test_an_interrupted_study_resumes_with_the_same_result(small: Any, tmp_path: Path, stage: str) -> None:
    _, found, _ = small
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "-m", *SMALL, *CELLS],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 1/2" in line and (stage == "tune" or list(tmp_path.rglob("study.json"))):
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    finished = len(list(tmp_path.rglob("result.json")))
    assert finished < 4 * 2 + 4 * 3
    _, again = run_study(tmp_path, *CELLS)
    for cell, expected in zip(again["cells"], found["cells"], strict=True):
        assert {**cell, "trials": None, "repeats": None} == {**expected, "trials": None, "repeats": None}
        values = [[run["value"] for run in each["repeats"]] for each in (cell, expected)]
        assert values[0] == values[1]


def test_an_optimizer_against_itself_is_inconclusive(tmp_path: Path) -> None:
    _, found = run_study(
        tmp_path, *mine(tmp_path, [{"adam": ["optim=adam"]}, {"itself": ["optim=adam"]}], RATES)
    )
    adam, itself = found["cells"]
    assert [run["value"] for run in adam["repeats"]] == [run["value"] for run in itself["repeats"]]
    assert itself["test"]["comparison"]["p"] == 1.0
    assert (adam["test"]["best"], itself["test"]["best"]) == (True, True)
    assert not [line for line in found["warnings"] if "tuning failed" in line]


@pytest.mark.slow
def test_a_planted_difference_is_found(tmp_path: Path) -> None:
    """The labels are a tanh network's: a linear model cannot have them, a network can."""
    _, found = run_study(
        tmp_path,
        *mine(tmp_path, [{"network": ["model.hidden=[32]"]}, {"line": ["model.hidden=[]"]}], RATES),
        *("data.hidden=6", "data.features=4", "data.noise=0.0", "data.size=2000", "trainer.max_epochs=8"),
        without="model.hidden",
    )
    network, line = found["cells"]
    assert network["test"]["verdict"] == "winner"
    assert line["test"]["verdict"] == "worse"
    assert line["test"]["comparison"]["p_adjusted"] < 0.05
    assert line["test"]["best"] is False


def test_failures_are_counted_and_the_study_continues(tmp_path: Path) -> None:
    outcome, found = run_study(
        tmp_path,
        *mine(tmp_path, [{"calm": "optim=sgd"}, {"wild": ["optim=sgd", "loss=mse"]}], RATES),
        "optim.lr=0.03,1e30",
    )
    text = "\n".join(found["warnings"])
    assert "wild: 1 of 2 trials failed and count as the worst (optim.lr=1e+30: diverged at step" in text
    assert found["cells"][1]["chosen"] == {"optim.lr": 0.03}
    assert found["cells"][1]["trials"][1]["validation"] is None
    assert text in outcome.out.replace("\n  ", "\n")


def test_a_cell_of_which_every_trial_failed_is_listed_and_not_repeated(tmp_path: Path) -> None:
    space = {"default": {"optim.lr": [0.03]}, "wild": {"optim.lr": [1e30]}}
    cells = [{"calm": "optim=adam"}, {"wild": ["optim=sgd", "loss=mse"]}]
    _, found = run_study(tmp_path, *mine(tmp_path, cells, space))
    calm, wild = found["cells"]
    assert (wild["status"], wild["chosen"], wild["repeats"]) == ("failed", None, [])
    assert calm["test"]["verdict"] == "winner"
    assert any(
        line.startswith("wild: all 1 trials failed, so there is nothing to repeat")
        for line in found["warnings"]
    )


def test_a_study_in_which_everything_failed_reports_it(tmp_path: Path) -> None:
    wild = mine(tmp_path, [{"wild": ["optim=sgd", "loss=mse"]}], {"default": {"optim.lr": [1e30, 1e31]}})
    outcome = run_forked(["-m", *SMALL, *wild], tmp_path)
    assert outcome.code == 2
    assert "every trial of every cell failed" in outcome.err
    assert findings(tmp_path)["cells"][0]["status"] == "failed"


@pytest.mark.long
def test_another_launcher_does_as_well(small: Any, tmp_path: Path) -> None:
    """Trained one after the other the numbers are bitwise identical on one thread."""
    _, found, _ = small
    _, plain = run_study(tmp_path, *CELLS, "hydra/launcher=basic")
    for cell, expected in zip(plain["cells"], found["cells"], strict=True):
        assert cell["chosen"] == expected["chosen"]
        assert [run["value"] for run in cell["repeats"]] == [run["value"] for run in expected["repeats"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["+study=losses", "hydra.sweeper.trials=9"], "hydra.sweeper.trials: 9 is more than the grid has"),
        (["+study=losses", "loss=mse,hing"], "loss=hing: no such option."),
        (
            ["+study=losses", "optim.lr=-1,0.1,1", "hydra.sweeper.trials=3"],
            "optim.lr: must be at least 0, got -1",
        ),
        (
            ["+study=losses", "data=random_regression"],
            "loss: it is for classification, but data.task=regression",
        ),
        (["+study=losses", "data.val_fraction=0"], "data.val_fraction: 0 leaves no validation examples"),
        (
            ["+study=losses", "monitor=train/loss"],
            "monitor: a study chooses by a validation metric, got train/loss",
        ),
        (
            ["+study=losses", "hydra.sweeper.metric=r2"],
            "hydra.sweeper.metric: the task has accuracy, loss, got r2",
        ),
        (["+study=losses", "hydra.sweeper.metric=loss"], "whose values are not comparable; write accuracy"),
        (["+study=lossses"], "Did you mean study=losses?"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    outcome = run_forked(["-m", *arguments], tmp_path)
    assert outcome.code == 2
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_study_without_m_is_refused(tmp_path: Path) -> None:
    outcome = run_forked(["+study=losses"], tmp_path)
    assert outcome.code == 2
    assert "add -m" in outcome.err
    assert not list(tmp_path.iterdir())


def test_repeats_on_several_splits_are_pooled_with_the_corrected_variance(tmp_path: Path) -> None:
    cells = {"loss": ["cross_entropy", "mse"]}
    outcome, found = run_study(
        tmp_path,
        *mine(tmp_path, cells, RATES),
        *("hydra.sweeper.repeat_seeds=[7,8]", "hydra.sweeper.repeat_splits=[0,1,2,3]"),
    )
    assert found["protocol"]["repeat_splits"][1] == ["data.split_seed=1"]
    assert "on seed 0 of each of 4 splits" in outcome.out
    by_cell = []
    for cell in found["cells"]:
        for trial in cell["trials"]:  # the setting is chosen by the mean over the splits
            assert len(trial["runs"]) == 4
            assert trial["validation"] == pytest.approx(mean(run["value"] for run in trial["runs"]))
        assert len(cell["repeats"]) == 8
        assert cell["test"]["n"] == 4
        runs = [RunDirectory(found["folder"] / run["run"]) for run in cell["repeats"]]
        values: dict[int, list[float]] = {}
        for run in runs:
            split = run.read_config()["data"]["split_seed"]
            values.setdefault(split, []).append(run.read_result()["metrics"]["test/accuracy"])
        by_cell.append([mean(values[split]) for split in range(4)])
    one, other = sorted(found["cells"], key=lambda cell: cell["test"]["comparison"] is not None)
    difference = np.array(by_cell[found["cells"].index(other)]) - by_cell[found["cells"].index(one)]
    # Nadeau and Bengio's formula: 300 of 600 examples are tested, 270 trained on.
    error = np.sqrt((1 / 4 + 300 / 270) * difference.var(ddof=1))
    p = 2 * stats.t.sf(abs(difference.mean()) / error, 3)
    assert other["test"]["comparison"]["difference"] == pytest.approx(difference.mean())
    assert other["test"]["comparison"]["p"] == pytest.approx(p, rel=1e-3)
    assert "Nadeau and Bengio (2003): 1/4 + 300/270 = 1.361 times the variance" in outcome.out


def summary_rows(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of a report's summary.csv by what they compare."""
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        " ".join(value for key, value in row.items() if "." in key or key in ("loss", "optim")): row
        for row in rows
    }


def test_a_report_on_a_study_agrees_with_its_page(small: Any, tmp_path: Path) -> None:
    _, found, _ = small
    folder = Path(shutil.copytree(found["folder"], tmp_path / "study"))
    page = summary_rows(folder / "report")
    write_report([folder], tmp_path / "out")
    assert summary_rows(tmp_path / "out") == page
    # Another reference, and a repeat of an earlier protocol: the choice is the study's.
    content = json.loads((folder / "study.json").read_text())
    (reference,) = [cell for cell in content["cells"] if cell["test"]["verdict"] == "winner"]
    others = [cell for cell in content["cells"] if cell is not reference]
    others = [cell for cell in others if cell["test"]["mean"] is not None]
    other = max(others, key=lambda cell: cell["test"]["mean"])
    reference["test"]["verdict"], other["test"]["verdict"] = "worse", "winner"
    (folder / "study.json").write_text(json.dumps(content))
    stray = Path(shutil.copytree(folder / other["repeats"][0]["run"], folder / "repeat" / "stray"))
    config = (stray / "config.yaml").read_text()
    (stray / "config.yaml").write_text(re.sub(r"^seed: 7$", "seed: 99", config, flags=re.MULTILINE))
    report = write_report([folder], tmp_path / "again")
    (task,) = report.analysis.tasks
    assert task.winner is not None
    assert task.winner.summary.mean == pytest.approx(other["test"]["mean"])
    assert {run.seed for group in task.groups for run in group.runs} == {7, 8, 9}
    assert report.analysis.metric == content["protocol"]["metric"]


def test_every_look_at_the_test_is_noted(small: Any, tmp_path: Path) -> None:
    outcome, found, folder = small
    assert "the test set was looked at once" in " ".join(outcome.out.split())
    (look,) = read_looks(found["folder"])
    assert (look["runs"], look["seeds"], look["metric"]) == (12, [7, 8, 9], "test/accuracy")
    assert look["cells"] == [cell["name"] for cell in found["cells"]]
    shutil.copytree(folder, tmp_path / "copy")
    where = found["folder"].relative_to(folder)
    fewer = (*CELLS[:-1], "hydra.sweeper.repeat_seeds=[7,8]", f"hydra.sweep.dir={where}")
    outcome, again = run_study(tmp_path / "copy", *fewer)
    looks = read_looks(again["folder"])
    assert [look["seeds"] for look in looks] == [[7, 8, 9], [7, 8]]
    text = " ".join(outcome.out.split())
    assert "the test set was looked at twice" in text
    page = (again["folder"] / "report" / "report.html").read_text()
    report = write_report([again["folder"]], tmp_path / "out")
    for shown in (text, page, report.page.read_text()):
        assert "Only the runs of the last look are compared" in shown
    assert {run.seed for run in report.analysis.sweep.runs} == {7, 8}


def test_cells_that_differ_in_one_key_are_two_everywhere(tmp_path: Path) -> None:
    cells = mine(tmp_path, {"loss.scores": ["logits", "probs"]}, {"default": {"optim.lr": [0.01]}})
    more = ("loss=mse", "loss.tasks=[classification]", "hydra.sweeper.repeat_seeds=[7,8,9]")
    outcome, found = run_study(tmp_path, *cells, *more)
    rows = summary_rows(found["folder"] / "report")
    assert len(rows) == len(found["cells"]) == 2
    for cell in found["cells"]:
        (row,) = [row for row in rows.values() if row["loss.scores"] == cell["parts"]["loss.scores"]]
        assert float(row["mean"]) == pytest.approx(cell["test"]["mean"])
        assert (row["n"], row["verdict"]) == ("3", cell["test"]["verdict"])
        assert f"{cell['test']['mean']:.4f}" in outcome.out
