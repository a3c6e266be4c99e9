"""What another test set would change, on runs with known outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.example_text import example_section, write_examples
from abreast.report.examples import example_evidence
from abreast.report.groups import Analysis
from abreast.report.text import findings
from abreast.report.write import write_report
from abreast.runs.example_outcomes import ExampleOutcomes, digest, read_example_outcomes
from abreast.runs.files import EXAMPLES, REPORT_EXAMPLES
from abreast.statistics.examples import crossed_difference, crossed_mean
from support.report_runs import config, write_run

COUNT = 360
LABELS = digest(np.arange(COUNT))
Correct = NDArray[np.bool_]


def outcomes(seed: int, *, wrong: int) -> Correct:
    """Outcomes of a run: the first eight examples are always wrong, and `wrong` others by chance."""
    correct = np.arange(COUNT) >= 8
    correct[8 + np.random.default_rng(seed).permutation(COUNT - 8)[:wrong]] = False
    return correct


def write(folder: Path, name: str, correct: Correct, *, targets: str = LABELS, **changes: object) -> Path:
    """A run with these outcomes."""
    accuracy = float(f"{correct.mean():.7g}")
    path = write_run(folder / name, config(**changes), test=accuracy, val=accuracy)
    ExampleOutcomes(correct, np.ones(len(correct), dtype=bool), targets).write(path / EXAMPLES)
    return path


def sweep(folder: Path, *, sgd: Callable[[int], int], seeds: int = 5) -> Analysis:
    """Adam is wrong on 8 + 2 examples or so, sgd on as many more as it is told."""
    for seed in range(seeds):
        write(folder, f"adam{seed}", outcomes(seed, wrong=2 + seed % 2), seed=seed)
        write(folder, f"sgd{seed}", outcomes(50 + seed, wrong=sgd(seed)), seed=seed, optim="sgd")
    return analyse(collect([folder]))


def test_the_figures_are_those_of_the_outcomes(tmp_path: Path) -> None:
    analysis = sweep(tmp_path, sgd=lambda seed: 30 + seed % 3)
    (task,) = analysis.tasks
    evidence = example_evidence(task, analysis)
    assert evidence is not None
    adam, sgd = (
        np.stack([outcomes(start + seed, wrong=wrong(seed)) for seed in range(5)])
        for start, wrong in ((0, lambda seed: 2 + seed % 2), (50, lambda seed: 30 + seed % 3))
    )
    assert [group.mean for group in evidence.groups] == [crossed_mean(adam), crossed_mean(sgd)]
    assert evidence.groups[0].difference is None
    assert evidence.groups[1].difference == crossed_difference(sgd, adam, same_seeds=True)
    assert evidence.groups[1].group.verdict == "worse"
    assert (evidence.examples, evidence.left_out, evidence.unsettled()) == (COUNT, {}, [])
    mean = crossed_mean(adam)
    sentence = (
        "Another test set of 360 examples would move the test accuracy of the best group by up to "
        f"± {mean.move:.4f}; the 95% interval of its mean over seeds and test examples is "
        f"{mean.low:.4f} to {mean.high:.4f}."
    )
    assert sentence in findings(task, analysis)


def test_the_files_are_read_once_for_each_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = sweep(tmp_path / "runs", sgd=lambda seed: 30, seeds=2)
    (task,) = analysis.tasks
    read: list[Path] = []

    def counted(path: Path) -> ExampleOutcomes:
        read.append(path)
        return read_example_outcomes(path)

    monkeypatch.setattr("abreast.report.examples.read_example_outcomes", counted)
    findings(task, analysis)
    example_section(task, analysis)
    write_examples(analysis, tmp_path / "report")
    assert len(read) == 4
    task.rank(task.ranking)
    example_section(task, analysis)
    assert len(read) == 8


def test_a_difference_that_is_this_test_sets_is_named(tmp_path: Path) -> None:
    analysis = sweep(tmp_path, sgd=lambda seed: 4 + seed % 2 + seed // 2 % 2)  # two or three more of 360
    (task,) = analysis.tasks
    assert task.groups[1].verdict == "worse"
    evidence = example_evidence(task, analysis)
    assert evidence is not None
    (unsettled,) = evidence.unsettled()
    assert unsettled.group.label == "optim=sgd"
    assert any(
        "optim=sgd" in line and "too few to say so of others" in line for line in findings(task, analysis)
    )


def test_the_page_and_the_json_have_them(tmp_path: Path) -> None:
    analysis = sweep(tmp_path / "s", sgd=lambda seed: 30 + seed)
    report = write_report([tmp_path / "s"])
    content = json.loads((tmp_path / "s" / "report" / REPORT_EXAMPLES).read_text())
    assert report.files[-1].name == REPORT_EXAMPLES
    (task,) = content["tasks"]
    evidence = example_evidence(analysis.tasks[0], analysis)
    assert evidence is not None
    best, other = task["groups"]
    assert best["mean"]["another_test_set"] == evidence.groups[0].mean.move
    assert (best["difference"], other["group"]) == (None, "optim=sgd")
    page = report.page.read_text()
    assert "Other test examples" in page
    assert f"± {evidence.groups[1].mean.move:.4f}" in page
    for run in (tmp_path / "s").glob("*/" + EXAMPLES):
        run.unlink()
    again = write_report([tmp_path / "s"])  # as runs of an older version
    assert "Other test examples" not in again.page.read_text()
    assert not (tmp_path / "s" / "report" / REPORT_EXAMPLES).exists()


def test_one_run_has_an_interval_over_examples(tmp_path: Path) -> None:
    analysis = sweep(tmp_path, sgd=lambda seed: 30, seeds=1)
    (task,) = analysis.tasks
    assert any("its value over test examples is" in line for line in findings(task, analysis))
    section = example_section(task, analysis)
    assert section is not None
    assert any("one run" in line for line in section.paragraphs)


def test_squared_errors_stand_for_a_regression(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for seed in range(3):
        losses = rng.exponential(size=COUNT).astype(np.float32)
        metrics = {"test/r2": 0.8 - seed / 100, "val/r2": 0.8, "test/loss": float(losses.mean())}
        path = write_run(tmp_path / str(seed), config(seed=seed), metrics=metrics)
        ExampleOutcomes(losses, np.ones(COUNT, dtype=bool), LABELS).write(path / EXAMPLES)
    analysis = analyse(collect([tmp_path]))
    assert analysis.metric == "test/r2"
    (line,) = [line for line in findings(analysis.tasks[0], analysis) if "Another test set" in line]
    assert "the test mean squared error of the best group" in line


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda run: (run / EXAMPLES).unlink(), "1 of 5 runs kept no test_examples.bin"),
        (lambda run: (run / EXAMPLES).write_bytes(b"?"), "does not begin with a line of JSON"),
        (
            lambda run: ExampleOutcomes(np.ones(9, bool), np.ones(9, bool), LABELS).write(run / EXAMPLES),
            "result.json disagree",
        ),
        (
            lambda run: ExampleOutcomes(np.ones(9, np.float32), np.ones(9, bool), LABELS).write(
                run / EXAMPLES
            ),
            "holds squared_error, not finite correct",
        ),
    ],
    ids=["missing", "broken", "another", "errors"],
)
def test_a_group_with_an_unusable_file_is_left_out(
    damage: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    sweep(tmp_path, sgd=lambda seed: 30)
    damage(tmp_path / "sgd3")
    analysis = analyse(collect([tmp_path]))
    evidence = example_evidence(analysis.tasks[0], analysis)
    assert evidence is not None
    assert [group.group.label for group in evidence.groups] == ["optim=adam"]
    assert reason in evidence.left_out["optim=sgd"]


def test_runs_on_other_examples_are_left_out(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path, f"adam{seed}", outcomes(seed, wrong=2), seed=seed)
        write(tmp_path, f"sgd{seed}", outcomes(seed, wrong=9), seed=seed, optim="sgd", targets="0" * 16)
        split = f"{seed:016x}"
        write(tmp_path, f"lion{seed}", outcomes(seed, wrong=9), seed=seed, optim="lion", targets=split)
    analysis = analyse(collect([tmp_path]))
    evidence = example_evidence(analysis.tasks[0], analysis)
    assert evidence is not None
    assert len(evidence.groups) == 1
    assert sorted(evidence.left_out.values()) == [
        "its runs were tested on different test examples",
        "its runs were tested on other test examples",
    ]
