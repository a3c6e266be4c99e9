"""Cross-validations whose splits others only number: of how many folds they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from abreast.errors import ConfigError
from abreast.report.readers.folds import read_folds
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices
from abreast.report.write import write_report


@pytest.mark.parametrize(
    ("splits", "folds", "overlap"),
    [
        (10, None, 1 / 9),
        (50, None, 1 / 4),
        (50, 10, 1 / 9),
        (12, None, 1 / 5),
        (12, 3, 1 / 2),
        (13, None, 1 / 12),
    ],
)
@pytest.mark.parametrize("is_long", [False, True], ids=["cv_results_", "a column of folds"])
def test_repetitions_of_a_cross_validation(
    splits: int, folds: int | None, overlap: float, is_long: bool, tmp_path: Path
) -> None:
    path = tmp_path / "cv.csv"
    values = [[0.5 + 0.01 * ((7 * split + C) % 11) for split in range(splits)] for C in (1, 10)]
    if is_long:
        rows = [f"{C},{i},{v}" for C, row in zip((1, 10), values, strict=True) for i, v in enumerate(row)]
        path.write_text("\n".join(["C,fold,accuracy", *rows]))
    else:
        head = ",".join(["param_C", *(f"split{split}_test_score" for split in range(splits))])
        rows = [f"{C}," + ",".join(map(str, row)) for C, row in zip((1, 10), values, strict=True)]
        path.write_text("\n".join([head, *rows]))
    report = write_report([path], choices=Choices(folds=folds))
    task = report.analysis.tasks[0]
    assert task.splits.count == splits
    assert task.splits.overlap == pytest.approx(overlap)
    comparison = next(iter(task.ranking.comparisons.values()))
    differences = np.subtract(values[0], values[1])
    error = differences.std(ddof=1) * np.sqrt(1 / splits + overlap)
    expected = 2 * stats.t.sf(abs(differences.mean()) / error, splits - 1)
    assert comparison.p == pytest.approx(expected)
    is_said = any(f"{splits} splits were read as" in note for note in report.analysis.notes)
    assert is_said == (folds is None and overlap > 1.001 / (splits - 1))


def test_folds_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("m,seed,acc\na,0,0.8\nb,0,0.7\n")
    with pytest.raises(ConfigError, match=r"--folds 5: there is no cross-validation"):
        collect_foreign([path], Choices(folds=5))
    for text in ("1", "ten", "-3", "2.5", "²", ""):
        with pytest.raises(ConfigError, match=r"must be a whole number from 2"):
            read_folds(text)
