"""Runs are grouped by everything but the seed, counted whatever became of them, and compared."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy import optimize, stats

from abreast.errors import RunError
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.groups import Analysis
from abreast.report.targets import find_target
from abreast.report.terminal import print_analysis
from abreast.report.text import findings, headline
from abreast.report.write import write_report
from support.report_runs import config, write_run

ADAM = (0.95, 0.96, 0.97, 0.955)
SGD = (0.90, 0.91, 0.90, 0.92)


def write(folder: Path, name: str, values: tuple[float, ...], **changes: Any) -> None:
    for seed, value in enumerate(values):
        write_run(folder / f"{name}-{seed}", config(seed=seed, **changes), test=value, val=value)


def read(folder: Path, metric: str | None = None) -> Analysis:
    return analyse(collect([folder]), metric)


def skewed_high(values: tuple[float, ...]) -> float:
    """The upper end where Hall's (1992) transformation g(T) of the t statistic is Student's quantile."""
    n, skewness = len(values), float(stats.skew(values))
    root = math.sqrt(n)

    def transformed(t: float) -> float:
        return float(t + skewness * t**2 / (3 * root) + skewness**2 * t**3 / (27 * n) + skewness / (6 * root))

    quantile = stats.t.ppf(0.025, n - 1)
    t = float(optimize.brentq(lambda t: transformed(t) - quantile, -100, 100))
    return float(sum(values) / n - t * stats.sem(values))


def test_groups_and_their_numbers(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    write(tmp_path, "s", SGD, optim="sgd")
    (task,) = read(tmp_path).tasks
    assert [group.label for group in task.groups] == ["optim=adam", "optim=sgd"]
    adam, sgd = task.groups
    assert adam.summary.mean == pytest.approx(sum(ADAM) / 4)
    # scipy's own interval and paired test on the same numbers; the values are skewed to the right.
    low, _ = stats.t.interval(0.95, 3, sum(ADAM) / 4, stats.sem(ADAM))
    assert (adam.summary.low, adam.summary.high) == pytest.approx((low, skewed_high(ADAM)))
    assert sgd.comparison is not None
    assert sgd.comparison.p_adjusted == pytest.approx(stats.ttest_rel(SGD, ADAM).pvalue)
    assert (adam.verdict, sgd.verdict) == ("winner", "worse")


def test_failed_runs_are_counted_beside_the_mean(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    write(tmp_path, "s", SGD[:2], optim="sgd")
    for seed in (2, 3):
        cfg = config(seed=seed, optim="sgd")
        write_run(tmp_path / f"bad{seed}", cfg, status="failed", reason="diverged at step 3")
    write_run(tmp_path / "now", config(seed=9, optim="sgd"), status="running")
    write_run(tmp_path / "lone", config(optim="lbfgs"), status="failed", reason="ValueError: no")
    found = read(tmp_path)
    groups = {group.label: group for group in found.groups}
    assert (groups["optim=sgd"].summary.n, groups["optim=sgd"].failure_rate) == (2, 0.5)
    assert groups["optim=lbfgs"].summary.mean is None
    assert groups["optim=lbfgs"].failure_rate == 1.0
    assert groups["optim=adam"].failure_rate == 0.0
    assert found.sweep.counts() == {"finished": 6, "running": 1, "failed": 3}
    console = Console(width=120, record=True, file=io.StringIO())
    print_analysis(found, console)
    text = console.export_text()
    for line in (
        "10 runs: 6 finished, 1 running, 3 failed.",
        "2 of 5",
        "no value",
        "diverged at step 3",
        "ValueError: no",
    ):
        assert line in text


def test_a_narrow_terminal_has_lines_instead_of_a_table(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    write(tmp_path, "s", SGD, optim="sgd")
    console = Console(width=40, record=True, file=io.StringIO())
    print_analysis(read(tmp_path), console)
    text = " ".join(console.export_text().split())
    mean = sum(ADAM) / 4
    low, _ = stats.t.interval(0.95, 3, mean, stats.sem(ADAM))
    assert f"optim=adam {mean:.4f} ({low:.4f} to {skewed_high(ADAM):.4f}), n = 4, best" in text
    assert "n = 4, worse difference -0.051" in text


def test_seeds_that_are_not_common_are_welch(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    for seed, value in enumerate(SGD):
        write_run(tmp_path / f"s{seed}", config(seed=seed + 50, optim="sgd"), test=value, val=value)
    (task,) = read(tmp_path).tasks
    comparison = task.groups[1].comparison
    assert comparison is not None
    assert comparison.test == "Welch t"
    assert comparison.p == pytest.approx(stats.ttest_ind(SGD, ADAM, equal_var=False).pvalue)


def test_a_run_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "one", "a", ADAM)
    write(tmp_path / "two", "a", ADAM)
    found = read(tmp_path)
    assert found.groups[0].summary.n == 4
    assert sum(bool(run.duplicate_of) for run in found.sweep.runs) == 4


def test_one_seed_each_has_no_interval_and_no_test(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM[:1])
    write(tmp_path, "s", SGD[:1], optim="sgd")
    found = read(tmp_path)
    (task,) = found.tasks
    assert "n = 1 seed, so no interval" in headline(task, found)
    text = " ".join(findings(task, found))
    assert "No significance test is possible for optim=sgd: each group has one run." in text
    assert "worse" not in text


def test_a_lone_lucky_seed_does_not_win(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    write(tmp_path, "s", (0.999,), optim="sgd")
    (task,) = read(tmp_path).tasks
    assert task.winner is not None
    assert task.winner.label == "optim=adam"
    assert [group.label for group in task.best] == ["optim=adam", "optim=sgd"]


def test_equal_runs_are_inconclusive(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    write(tmp_path, "s", ADAM, optim="sgd")
    found = read(tmp_path)
    assert [group.verdict for group in found.groups] == ["winner", "not significantly different"]
    assert "Not significantly different from it: optim=sgd." in findings(found.tasks[0], found)


def test_other_data_are_another_task(tmp_path: Path) -> None:
    for name in ("digits", "mnist"):
        write(tmp_path / name, "a", ADAM, data=name, data___target_=name)
        write(tmp_path / name, "s", SGD, data=name, data___target_=name, optim="sgd")
    found = read(tmp_path)
    assert [task.label for task in found.tasks] == ["data=digits", "data=mnist"]
    assert found.keys == ("optim",)
    assert all(len(task.groups) == 2 for task in found.tasks)


def test_a_regression_is_judged_by_what_losses_share(tmp_path: Path) -> None:
    for seed in range(3):
        for optim, r2 in (("adam", 0.8), ("sgd", 0.5)):
            metrics = {
                "test/loss": 9.0,
                "test/mae": 1 - r2,
                "test/r2": r2 + 0.01 * seed,
                "val/r2": r2,
                "val/loss": 1.0,
            }
            cfg = config(seed=seed, optim=optim, data__task="regression")
            write_run(tmp_path / f"{optim}{seed}", cfg, metrics=metrics)
    found = read(tmp_path)
    assert (found.metric, found.selection, found.higher_is_better) == ("test/r2", "val/r2", True)
    assert found.tasks[0].ranking.winner == "optim=adam"
    found = read(tmp_path, "test/mae")
    assert (found.higher_is_better, found.selection) == (False, None)
    assert found.tasks[0].ranking.winner == "optim=adam"


@pytest.mark.parametrize(("asked", "metric"), [("accuracy", "test/accuracy"), ("val/loss", "val/loss")])
def test_a_metric_can_be_asked_for(tmp_path: Path, asked: str, metric: str) -> None:
    write(tmp_path, "a", ADAM)
    assert read(tmp_path, asked).metric == metric


def test_a_metric_that_no_run_has_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", ADAM)
    with pytest.raises(
        RunError, match=r"--metric f1: no run has this metric. Available: test/accuracy, test/loss,"
    ):
        read(tmp_path, "f1")


def test_without_a_test_the_validation_is_the_answer(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / str(seed), config(seed=seed), test=None, val=0.9, metrics={"val/accuracy": 0.9})
    found = read(tmp_path)
    assert (found.metric, found.selection) == ("val/accuracy", None)


def curve(folder: Path, name: str, seed: int, values: list[float], status: str = "finished") -> None:
    run = write_run(folder / f"{name}{seed}", config(seed=seed, optim=name), status=status)
    rows = [f"{n + 1},{0.5 * (n + 1)},{value}" for n, value in enumerate(values)]
    (run / "metrics.csv").write_text("epoch,seconds,val/accuracy\n" + "\n".join(rows) + "\n")


def test_epochs_and_time_to_a_target(tmp_path: Path) -> None:
    curve(tmp_path, "adam", 0, [0.5, 0.9, 0.95])
    curve(tmp_path, "adam", 1, [0.9, 0.8, 0.95])  # the first time counts
    curve(tmp_path, "adam", 2, [0.5, 0.6, 0.7])  # never: later than all others
    curve(tmp_path, "sgd", 0, [0.1, 0.2, 0.9])
    curve(tmp_path, "sgd", 1, [0.1, 0.2, 0.3])
    curve(tmp_path, "sgd", 2, [0.1], status="failed")
    found = read(tmp_path)
    target = find_target(found.tasks[0], found, 0.9)
    assert target is not None
    groups = {group.label: group for group in found.groups}
    adam, sgd = groups["optim=adam"], groups["optim=sgd"]
    assert [each.epochs for each in target.reached[adam.label]] == [2, 1, None]
    assert (target.median(adam, "epochs"), target.median(adam, "seconds")) == (2, 1.0)
    assert target.median(sgd, "epochs") is None
    assert (target.count(adam), target.count(sgd)) == ((2, 3), (1, 3))


@pytest.mark.parametrize(
    ("peaks", "level"), [((0.9789, 0.9712, 0.5), 0.97), ((0.97, 0.97, 0.97), 0.97), ((0.981, 0.993), 0.985)]
)
def test_the_target_is_what_the_median_group_reaches(
    tmp_path: Path, peaks: tuple[float, ...], level: float
) -> None:
    for number, peak in enumerate(peaks):
        curve(tmp_path, f"o{number}", 0, [0.1, peak, 0.2])
    found = read(tmp_path)
    target = find_target(found.tasks[0], found)
    assert target is not None
    assert target.level == pytest.approx(level)


def test_the_tables_hold_every_run_and_every_group(tmp_path: Path) -> None:
    write(tmp_path / "s", "a", ADAM)
    write(tmp_path / "s", "s", SGD, optim="sgd")
    write_run(tmp_path / "s" / "bad", config(seed=7), status="failed", reason='a "reason", with\ncommas')
    report = write_report([tmp_path / "s"])
    assert report.page == tmp_path / "s" / "report" / "report.html"
    with (report.page.parent / "runs.csv").open(newline="") as file:
        runs = list(csv.DictReader(file))
    assert len(runs) == 9
    assert {row["seed"] for row in runs if row["optim"] == "sgd"} == {"0", "1", "2", "3"}
    bad = next(row for row in runs if row["status"] == "failed")
    assert (bad["reason"], bad["test/accuracy"]) == ('a "reason", with', "")
    assert bad["command"] == "python train.py loss=cross_entropy optim=adam seed=7"
    with (report.page.parent / "summary.csv").open(newline="") as file:
        summary = list(csv.DictReader(file))
    assert [row["optim"] for row in summary] == ["adam", "sgd"]
    assert float(summary[0]["mean"]) == pytest.approx(sum(ADAM) / 4)
    assert (summary[0]["failed"], summary[0]["failure_rate"]) == ("1", "0.2")
    mean = sum(SGD) / 4
    sd = math.sqrt(sum((value - mean) ** 2 for value in SGD) / 3)
    assert float(summary[1]["sd"]) == pytest.approx(sd)
    assert float(summary[1]["p_adjusted"]) == pytest.approx(stats.ttest_rel(SGD, ADAM).pvalue)
    # A second report does not take its own folder for a run.
    assert len(write_report([tmp_path / "s"]).analysis.sweep.runs) == 9


def test_a_sweep_that_still_runs_has_a_report(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / str(seed), config(seed=seed), status="running", epochs=seed)
    report = write_report([tmp_path])
    assert "No run has test accuracy yet." in report.page.read_text()


@pytest.mark.parametrize("broken", ["result", "curve", "nothing"])
def test_odd_contents_never_stop_the_report(tmp_path: Path, broken: str) -> None:
    run = write_run(tmp_path / "s" / "a", config())
    if broken == "result":
        result = json.loads((run / "result.json").read_text())
        result.update(classes=5, confusion=[[1], "x"], versions=["?"], seconds="long", epoch=[])
        (run / "result.json").write_text(json.dumps(result))
        (run / "worst.json").write_text('{"png": "?", "images": 3}')
    elif broken == "curve":
        (run / "metrics.csv").write_text("epoch\n1\n")
    else:
        for file in run.iterdir():
            if file.is_file():
                file.unlink()
        (run / "status.json").write_text("{}")
    assert write_report([tmp_path / "s"]).page.stat().st_size > 6e5  # plotly.js alone
