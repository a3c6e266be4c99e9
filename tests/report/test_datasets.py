"""Groups ranked over data sets, on runs with known results."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.dataset_text import rank_sentences, ranks_section, write_ranks
from abreast.report.datasets import Datasets, over_datasets, rank_scores
from abreast.report.figures.critical_difference import critical_difference
from abreast.report.terminal import print_analysis
from abreast.report.write import write_report
from abreast.runs.files import REPORT_RANKS
from support.report_runs import config, write_run

DATA = ("digits", "mnist", "kmnist", "emnist", "letters")
# By hand: adam is best on four data sets and second on one, momentum always last.
ACCURACY = {
    "adam": (0.95, 0.90, 0.85, 0.80, 0.70),
    "sgd": (0.94, 0.89, 0.84, 0.81, 0.69),
    "momentum": (0.90, 0.85, 0.80, 0.75, 0.60),
}


def write(folder: Path, data: str, optim: str, value: float | None, **changes: Any) -> None:
    """Two runs of an optimizer on a data set, whose mean is the value; without a value they failed."""
    for seed, shift in ((0, -0.01), (1, 0.01)):
        cfg = config(seed=seed, optim=optim, data=data, data___target_=f"abreast.data.{data}", **changes)
        path = folder / f"{data}-{optim}-{seed}-{len(list(folder.glob('*')))}"
        if value is None:
            write_run(path, cfg, status="failed", reason="diverged at step 7")
        else:
            write_run(path, cfg, test=round(value + shift, 7), val=value)


def sweep(folder: Path, accuracies: Mapping[str, tuple[float | None, ...]] = ACCURACY) -> Datasets:
    """The ranks of a sweep."""
    for optim, values in accuracies.items():
        for data, value in zip(DATA, values, strict=False):
            write(folder, data, optim, value)
    found = over_datasets(analyse(collect([folder])))
    assert found is not None
    return found


def means(datasets: Datasets) -> dict[str, float]:
    assert datasets.ranks is not None
    return dict(zip(datasets.ranks.groups, datasets.ranks.mean_ranks.tolist(), strict=True))


def test_five_data_sets_are_tested(tmp_path: Path) -> None:
    found = sweep(tmp_path)
    assert sorted(found.names) == sorted(DATA)
    assert means(found) == pytest.approx({"optim=adam": 1.2, "optim=sgd": 1.8, "optim=momentum": 3.0})
    assert found.scores["optim=adam"]["digits"] == pytest.approx(0.95)
    assert found.ranks is not None
    # Demšar 2006, table 5: 2.343 for three groups; 2.343 √(3 · 4 / (6 · 5)) = 1.482
    assert found.ranks.critical_difference == pytest.approx(1.482, abs=1e-3)
    assert found.ranks.alike == [(0, 1), (1, 2)]
    lines = rank_sentences(found)
    listed = "optim=adam 1.20; optim=sgd 1.80; optim=momentum 3.00"
    assert lines[0] == f"Mean rank over 5 data sets (1 is best): {listed}."
    # By hand: chi² = 12 · 5 / 12 (1.2² + 1.8² + 3² - 12) = 8.4, F = 4 · 8.4 / (10 - 8.4) = 21
    assert "F(2, 8) = 21.00, p < 0.001" in lines[1]
    assert lines[2] == "Significantly worse than optim=adam: optim=momentum."


def test_fewer_are_ranked_but_not_tested(tmp_path: Path) -> None:
    found = sweep(tmp_path, {optim: values[:3] for optim, values in ACCURACY.items()})
    assert means(found)["optim=momentum"] == 3.0
    assert found.ranks is not None
    assert critical_difference(found.ranks) is None
    assert "Too few data sets for a test of ranks: 3 of 5." in rank_sentences(found)
    assert not ranks_section(found).figures


def test_one_data_set_has_no_ranks(tmp_path: Path) -> None:
    write(tmp_path, "digits", "adam", 0.9)
    write(tmp_path, "digits", "sgd", 0.8)
    write(tmp_path, "digits", "adam", 0.9, data__label_noise=0.2)
    write(tmp_path, "digits", "sgd", 0.8, data__label_noise=0.2)
    analysis = analyse(collect([tmp_path]))
    assert len(analysis.tasks) == 2
    assert over_datasets(analysis) is None  # label noise makes no other data set


def test_missing_cells_are_named(tmp_path: Path) -> None:
    found = sweep(tmp_path, {**ACCURACY, "lbfgs": (0.99, 0.99)})
    assert "optim=lbfgs" not in means(found)
    assert sorted(found.left_out["optim=lbfgs"]) == ["emnist", "kmnist", "letters"]
    (line,) = [line for line in rank_sentences(found) if "lbfgs" in line]
    assert line.startswith("Not ranked: optim=lbfgs, which was not run on ")


def test_a_data_set_with_few_groups_does_not_exclude_the_others(tmp_path: Path) -> None:
    write(tmp_path, "qmnist", "adam", 0.9)
    found = sweep(tmp_path)
    assert found.not_ranked == ("qmnist",)
    assert len(means(found)) == 3
    assert any(line.startswith("Not ranked on: qmnist") for line in rank_sentences(found))


def test_who_failed_on_a_data_set_is_last_there(tmp_path: Path) -> None:
    found = sweep(tmp_path, {**ACCURACY, "sgd": (0.94, None, 0.84, 0.81, 0.69)})
    assert found.failed == {"optim=sgd": ("mnist",)}
    assert means(found) == pytest.approx({"optim=adam": 1.2, "optim=sgd": 2.0, "optim=momentum": 2.8})
    assert "Last on mnist: optim=sgd, which has no result there." in rank_sentences(found)


def test_classification_and_regression_are_ranked_each_by_its_metric(tmp_path: Path) -> None:
    for data in ("digits", "mnist"):
        write(tmp_path, data, "adam", 0.9)
        write(tmp_path, data, "sgd", 0.8)
    for optim, r2 in (("adam", 0.2), ("sgd", 0.7)):
        cfg = config(
            optim=optim, data="prices", data___target_="abreast.data.prices", data__task="regression"
        )
        write_run(tmp_path / optim, cfg, metrics={"test/r2": r2, "val/r2": r2, "test/loss": 1 - r2})
    found = over_datasets(analyse(collect([tmp_path])))
    assert found is not None
    assert found.metrics["prices"] == "test/r2"
    assert means(found) == pytest.approx({"optim=adam": 4 / 3, "optim=sgd": 5 / 3})


def test_variants_of_a_data_set_count_once() -> None:
    scores: dict[str, dict[str, dict[str, float | None]]] = {
        "a": {"digits": {"": 0.9, "noise": 0.5}, "mnist": {"": 0.9}},
        "b": {"digits": {"": 0.8, "noise": 0.7}, "mnist": {"": 0.8}},
        "c": {"digits": {"": 0.8}, "mnist": {"": 0.8}},
    }
    found = rank_scores(scores, {"digits": "test/accuracy", "mnist": "test/accuracy"})
    assert found is not None
    assert found.scores == {"a": {"digits": 0.7, "mnist": 0.9}, "b": {"digits": 0.75, "mnist": 0.8}}
    assert found.left_out == {"c": ("digits",)}


def test_the_page_the_terminal_and_the_table_have_them(tmp_path: Path) -> None:
    sweep(tmp_path / "s")
    report = write_report([tmp_path / "s"])
    page = report.page.read_text()
    assert 'data-figure="critical-difference"' in page
    assert "Ranks over data sets" in page
    rows = list(csv.DictReader((tmp_path / "s" / "report" / REPORT_RANKS).read_text().splitlines()))
    assert [(row["group"], row["mean_rank"], row["rank emnist"]) for row in rows] == [
        ("optim=adam", "1.2", "2"),
        ("optim=sgd", "1.8", "1"),
        ("optim=momentum", "3", "3"),
    ]
    console = Console(width=200, record=True, file=io.StringIO())
    print_analysis(report.analysis, console)
    assert "critical difference 1.48 (Nemenyi, 5%)" in console.export_text()


def test_a_group_whose_name_is_a_formula_is_text_to_a_spreadsheet(tmp_path: Path) -> None:
    formula = '=HYPERLINK("http://x")'
    scores: dict[str, dict[str, dict[str, float | None]]] = {
        formula: {"digits": {"": 0.9}, "mnist": {"": 0.9}},
        "b": {"digits": {"": 0.8}, "mnist": {"": 0.8}},
    }
    found = rank_scores(scores, {"digits": "test/accuracy", "mnist": "test/accuracy"})
    (file,) = write_ranks(found, tmp_path)
    assert [row["group"] for row in csv.DictReader(file.read_text().splitlines())] == [f"'{formula}", "b"]
