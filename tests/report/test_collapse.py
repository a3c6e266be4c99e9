"""Runs that ended at chance are counted apart, flagged like failures, and ranked last."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.groups import Analysis
from abreast.report.terminal import print_analysis
from abreast.report.text import findings, headline
from abreast.report.write import write_report
from abreast.runs.files import RESULT
from support.report_runs import config, write_run

# The example of a sweep that printed 0.6256 ± 0.5955: two of five at 10 %.
ADAM = (0.97, 0.975, 0.972, 0.968, 0.971)
SGD = (0.10, 0.97, 0.105, 0.975, 0.978)


def write(folder: Path, optim: str, values: tuple[float, ...]) -> None:
    for seed, value in enumerate(values):
        cfg = config(seed=seed, optim=optim)
        run = write_run(folder / f"{optim}-{seed}", cfg, test=value, val=value, classes=tuple("0123456789"))
        result = json.loads((run / RESULT).read_text())
        result["data"] = {"chance": 0.1, "test": 360}
        (run / RESULT).write_text(json.dumps(result))


def read(folder: Path) -> Analysis:
    return analyse(collect([folder]))


def printed(analysis: Analysis, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    print_analysis(analysis, console)
    return " ".join(console.export_text().split())


def test_a_mean_speaks_of_the_runs_that_learned(tmp_path: Path) -> None:
    write(tmp_path / "s", "adam", ADAM)
    write(tmp_path / "s", "sgd", SGD)
    report = write_report([tmp_path / "s"])
    groups = {group.label: group for group in report.analysis.groups}
    sgd = groups["optim=sgd"]
    assert set(sgd.values) == {1, 3, 4}
    assert set(sgd.collapsed) == {0, 2}
    assert sgd.summary.mean == pytest.approx((0.97 + 0.975 + 0.978) / 3)
    assert sgd.collapse_rate == 0.4
    assert groups["optim=adam"].collapse_rate == 0.0
    text = (report.page.parent / "summary.csv").read_text()
    row = next(row for row in csv.DictReader(io.StringIO(text)) if row["optim"] == "sgd")
    assert (row["n"], row["collapsed"], row["collapse_rate"]) == ("3", "2", "0.4")
    # Clopper and Pearson's interval of 2 of 5, by their table: 0.0527 to 0.8534.
    assert float(row["collapse_rate_low"]) == pytest.approx(0.0527, abs=1e-4)
    assert float(row["collapse_rate_high"]) == pytest.approx(0.8534, abs=1e-4)
    text = " ".join(findings(report.analysis.tasks[0], report.analysis))
    assert "in optim=sgd, 2 of 5 runs ended at chance (test accuracy of at most 0.15" in text
    assert "the share has the 95% interval 5% to 85%" in text
    assert "2 of 5 (5% to 85%)" in report.page.read_text()
    for width in (40, 80, 120):
        assert "2 of 5" in printed(report.analysis, width)
    with (report.page.parent / "runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 10
    assert report.page.read_text().count("ended at chance: counted apart from the mean") >= 2


def test_a_group_that_collapsed_is_last(tmp_path: Path) -> None:
    write(tmp_path, "adam", (0.5, 0.52, 0.51))
    write(tmp_path, "sgd", (0.10, 0.11, 0.105))
    write(tmp_path, "rmsprop", (0.3, 0.31, 0.29))
    analysis = read(tmp_path)
    assert [group.label for group in analysis.groups] == ["optim=adam", "optim=rmsprop", "optim=sgd"]
    assert analysis.groups[-1].verdict == "collapsed"
    for width in (40, 80, 120):
        assert "collapsed (3 of 3)" in printed(analysis, width)


def test_a_single_run_at_chance_says_so(tmp_path: Path) -> None:
    write(tmp_path, "sgd", (0.13,))
    analysis = read(tmp_path)
    (task,) = analysis.tasks
    assert headline(task, analysis) == "The run ended at chance: it learned nothing."
    (line, *_) = findings(task, analysis)
    assert line.startswith("Collapsed: the run ended at chance (test accuracy of at most 0.15")
    assert "optim.lr=0.001" in line
    assert "1 run: 1 finished." in printed(analysis, 80)


def test_where_all_collapsed_none_is_best(tmp_path: Path) -> None:
    write(tmp_path, "sgd", (0.13, 0.1))
    write(tmp_path, "adam", (0.11, 0.1))
    analysis = read(tmp_path)
    assert [group.verdict for group in analysis.groups] == ["collapsed", "collapsed"]
    assert headline(analysis.tasks[0], analysis) == "All 4 runs ended at chance: they learned nothing."


def test_a_winner_whose_runs_collapse_more_often_is_qualified(tmp_path: Path) -> None:
    write(tmp_path, "adam", tuple(0.9 + 0.001 * seed for seed in range(8)))
    write(tmp_path, "sgd", (0.98, 0.981, *[0.1] * 6))
    analysis = read(tmp_path)
    text = " ".join(findings(analysis.tasks[0], analysis))
    assert analysis.groups[0].verdict == "winner"
    if analysis.groups[0].label == "optim=sgd":
        assert "a larger share of its runs collapsed than of other groups" in text
    else:
        assert analysis.groups[1].verdict not in ("better", "equivalent")
