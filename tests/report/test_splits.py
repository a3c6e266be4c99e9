"""Splits and folds are blocks: a value is the mean over a split's seeds, and the variance is corrected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.formatting import verdict_label
from abreast.report.groups import Task
from abreast.report.splits import Splits, splits_of
from abreast.report.text import findings
from support.report_runs import config, write_run

RANDOM = np.random.default_rng(0)
SPLITS, SEEDS = 6, 3
LEVELS = 0.9 + 0.02 * RANDOM.standard_normal(SPLITS)  # some splits are harder than others
NOISE = 0.002 * RANDOM.standard_normal((2, SPLITS, SEEDS))
BETTER = 0.01


def write(folder: Path, value: float, *, drawn: str | None = "test", test: int = 360, **changes: Any) -> None:
    """A run's directory, with the sizes that its result records."""
    path = write_run(folder / str(len([*folder.glob("*")])), config(**changes), test=value, val=value)
    result = json.loads((path / "result.json").read_text())
    result["examples"] = {"train": 1200, "val": 120, "test": test}
    if drawn is not None:
        result["data"] = {"digest": "0123", "drawn": drawn}
    (path / "result.json").write_text(json.dumps(result))


def write_splits(folder: Path, **more: Any) -> None:
    folder.mkdir()
    for number, optim in enumerate(("sgd", "adam")):
        for split in range(SPLITS):
            for seed in range(SEEDS):
                value = round(float(LEVELS[split] + NOISE[number, split, seed] + number * BETTER), 7)
                write(folder, value, seed=seed, optim=optim, data__split_seed=split, **more)


def task_in(folder: Path) -> Task:
    (task,) = analyse(collect([folder])).tasks
    return task


def test_a_split_is_a_block_of_its_seeds_mean(tmp_path: Path) -> None:
    write_splits(tmp_path / "s")
    task = task_in(tmp_path / "s")
    assert [group.label for group in task.groups] == ["optim=adam", "optim=sgd"]
    assert task.splits == Splits(SPLITS, SEEDS, None, 360, 1200, is_test_drawn=True)
    adam, sgd = task.groups
    assert len(adam.values) == SPLITS * SEEDS  # every run counts
    assert adam.summary.n == SPLITS
    means = LEVELS + NOISE[1].mean(1) + BETTER
    assert adam.summary.mean == pytest.approx(means.mean())
    assert sgd.comparison is not None
    assert sgd.comparison.difference == pytest.approx((NOISE[0] - NOISE[1]).mean() - BETTER)
    best = adam.best_run(higher_is_better=True)
    assert best is not None
    assert best.metrics["test/accuracy"] == max(adam.values.values())


def test_the_correction_is_that_of_nadeau_and_bengio(tmp_path: Path) -> None:
    write_splits(tmp_path / "s")
    sgd = task_in(tmp_path / "s").groups[1]
    assert sgd.comparison is not None
    # Their corrected resampled t test, from its formula, on the means over seeds.
    differences = NOISE[0].mean(1) - NOISE[1].mean(1) - BETTER
    error = np.sqrt((1 / SPLITS + 360 / 1200) * differences.var(ddof=1))
    p = 2 * stats.t.sf(abs(differences.mean()) / error, SPLITS - 1)
    assert sgd.comparison.p_adjusted == pytest.approx(p, rel=1e-3)


def test_the_correction_is_printed(tmp_path: Path) -> None:
    write_splits(tmp_path / "s")
    analysis = analyse(collect([tmp_path / "s"]))
    text = " ".join(findings(analysis.tasks[0], analysis))
    assert "6 splits of the data, 3 seeds each: a value is the mean over a split's seeds" in text
    assert "Nadeau and Bengio (2003): 1/6 + 360/1200 = 0.467 times the variance" in text
    assert "6 splits of the data. Not seen: other examples than these" in text


def test_too_few_of_them_are_called_splits(tmp_path: Path) -> None:
    for split, (sgd, adam) in enumerate(((0.90, 0.92), (0.91, 0.94), (0.92, 0.934))):
        write(tmp_path, sgd, data__split_seed=split, optim="sgd")
        write(tmp_path, adam, data__split_seed=split)
    analysis = analyse(collect([tmp_path]))
    (task,) = analysis.tasks
    assert verdict_label(task.groups[1]) == "inconclusive: too few splits"
    (line,) = [line for line in findings(task, analysis) if line.startswith("Inconclusive, too few splits")]
    assert line.endswith(" splits in each group).")


def test_folds_are_blocks(tmp_path: Path) -> None:
    for fold in range(5):
        sizes = 360 if fold < 2 else 359
        write(tmp_path, 0.9 + 0.001 * fold, data__folds=5, data__fold=fold, test=sizes)
        write(tmp_path, 0.8 + 0.002 * fold, data__folds=5, data__fold=fold, test=sizes, optim="sgd")
    task = task_in(tmp_path)
    assert (task.splits.count, task.splits.seeds, task.splits.noun) == (5, 1, "5 folds")
    assert task.splits.overlap == pytest.approx(359.4 / 1200)
    assert [group.summary.n for group in task.groups] == [5, 5]


@pytest.mark.parametrize("drawn", ["val", None])
def test_an_official_test_set_is_the_same_in_all_splits(drawn: str | None, tmp_path: Path) -> None:
    """So it is in runs of before it was recorded."""
    write_splits(tmp_path / "s", drawn=drawn)
    analysis = analyse(collect([tmp_path / "s"]))
    (task,) = analysis.tasks
    assert task.splits.overlap == 120 / 1200  # what a split holds out are the validation examples
    text = " ".join(findings(task, analysis))
    assert "All are tested on the same examples, so the verdict holds for this test set." in text
    assert "Not seen: another test set" in text


def test_one_split_is_none(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path, 0.9 + 0.01 * seed, seed=seed, data__split_seed=4)
    task = task_in(tmp_path)
    assert task.splits == Splits()
    assert task.splits.sentences() == []
    assert task.groups[0].summary.n == 3


def test_a_validation_metric_is_measured_on_the_validation_examples(tmp_path: Path) -> None:
    write_splits(tmp_path / "s")
    runs = collect([tmp_path / "s"]).runs
    assert splits_of(runs, "val/accuracy").overlap == 120 / 1200
    assert splits_of(runs, "test/accuracy").overlap == 360 / 1200
