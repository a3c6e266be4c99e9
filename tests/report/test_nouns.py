"""What a value stands for is called by its name in every sentence: a seed, a split, a fold, or a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from abreast.report.method import method
from abreast.report.readers.settings import Choices
from abreast.report.run import repeat_label
from abreast.report.splits import splits_of_repeats
from abreast.report.write import write_report

KINDS = {  # the column that tells repeats apart, and the noun
    "fold": "fold",
    "seed": "seed",
    "": "run",
}


@pytest.mark.parametrize("column", KINDS)
def test_of_every_sentence(column: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    groups = [("a", 0.1), ("a", 0.2), ("b", 0.1)]
    values = [[0.9, 0.897, 0.894, 0.891], [0.88, 0.876, 0.874, 0.871], [0.86, 0.857, 0.853, 0.851]]
    rows = [
        f"{opt},{lr},{repeat if column else ''},{value}"
        for (opt, lr), of_group in zip(groups, values, strict=True)
        for repeat, value in enumerate(of_group)
    ]
    path.write_text("\n".join([f"opt,lr,{column or 'note'},acc", *rows, ""]))
    report = write_report([path], tmp_path / "report", choices=Choices())
    text = re.sub(r"<script.*?</script>|<style.*?</style>", "", report.page.read_text(), flags=re.DOTALL)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    noun = KINDS[column]
    assert f"n = 4 {noun}s" in text
    # Where folds are the sample, the seed is named as a source of noise, and in what tables have for it.
    others = {*KINDS.values()} - {noun, "run"}
    for other in others:
        sentences = [part for part in re.split(r"(?<=[.:])\s", text) if re.search(rf"\b{other}s\b", part)]
        assert [s for s in sentences if not s.startswith(("Noise seen", "Seed:", "Not seen"))] == []
    if column:
        assert f"t test over common {noun}s" in text


def test_a_duplicate_with_another_result_is_said(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("opt,seed,acc\na,0,0.9\na,0,0.95\na,1,0.91\nb,0,0.8\nb,1,0.82\nb,1,0.82\n")
    report = write_report([path], tmp_path / "report", choices=Choices())
    assert "1 run has the settings and the seed of another run, but another result" in report.page.read_text()
    lines = [run.duplicate_value for run in report.analysis.sweep.runs if run.duplicate_of]
    assert sorted(lines, key=str) == [0.9, None]


def test_what_a_dot_is(tmp_path: Path) -> None:
    assert repeat_label((7, 2, None)) == "seed 7, split 2"
    assert repeat_label(-1) == "a run"  # of several without a seed


def test_splits_of_which_each_group_has_some(tmp_path: Path) -> None:
    rows = [
        f"{opt},{run},{fold},0.{9 if opt == 'a' else 8}{fold + run}"
        for opt, run, fold in (
            *(("a", 1, fold) for fold in (1, 2, 3)),
            *(("b", 2, fold) for fold in (1, 2, 3)),
        )
    ]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(["opt,run,fold,acc", *rows, ""]))
    report = write_report([path], tmp_path / "report", choices=Choices())
    (task,) = report.analysis.tasks
    text = " ".join(method(task, report.analysis))
    assert "With 3 splits in the best group" in text
    assert "Blocks: 6 splits of the data, 3 in each group." in text


def test_one_group_says_how_its_splits_are_pooled(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("fold,acc\n1,0.9\n2,0.8\n3,0.85\n")
    report = write_report([path], tmp_path / "report", choices=Choices())
    (task,) = report.analysis.tasks
    (sentence,) = method(task, report.analysis)
    assert sentence.startswith("Blocks: 3 folds of the data.")


def test_uneven_seeds_of_splits_are_said() -> None:
    sizes = {"examples": {"train": 80, "test": 20}, "data": {"drawn": "test"}}
    even = [((seed, split, None), sizes, None) for _ in "ab" for seed in (0, 1) for split in (0, 1, 2)]
    assert ", 2 seeds each" in splits_of_repeats(even, "test/accuracy").sentences()[0]
    assert ", up to 2 seeds each" in splits_of_repeats(even[:-1], "test/accuracy").sentences()[0]
