"""A table from the file to the prediction of raw rows, by the run's directory alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn import datasets

from abreast.cli.export import main as export
from abreast.cli.predict import main
from abreast.errors import DataError
from abreast.inference.evaluate import evaluate
from abreast.runs.directory import RunDirectory

WINE = datasets.load_wine()
HEADER = [*map(str, WINE.feature_names), "grape"]
ROWS = [[*map(str, x), str(WINE.target_names[y])] for x, y in zip(WINE.data, WINE.target, strict=True)]


def write(path: Path, *rows: list[str]) -> Path:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path.write_text(out.getvalue())
    return path


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("wine") / "wine.csv", HEADER, *ROWS)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside torch's and onnx's exporters
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_from_the_file_to_predictions(
    wine: Path, train: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'abreast[export]'")
    run = train("data=table", f"data.file={wine}", "data.target=grape", "trainer.max_epochs=20")
    metrics = RunDirectory(run).read_result()["metrics"]
    assert metrics["test/accuracy"] > 0.9
    assert evaluate(run, trust=[str(wine.parent)])["test/loss"] == metrics["test/loss"]

    raw = write(tmp_path / "new.csv", [*HEADER[12::-1], "note"], *[[*row[12::-1], "x"] for row in ROWS])
    capsys.readouterr()
    assert main([str(run), str(raw)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["row"]) for row in rows] == list(range(2, 180))
    hits = sum(row["prediction"] == cells[-1] for row, cells in zip(rows, ROWS, strict=True))
    assert hits > 0.9 * len(ROWS)
    for row in rows:
        chances = [float(row[f"probability of {name}"]) for name in WINE.target_names]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert WINE.target_names[chances.index(max(chances))] == row["prediction"]
    assert main([str(run), str(raw), "--out", str(tmp_path / "out.csv")]) == 0
    assert list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))) == rows

    assert (
        export([str(run), "--format", "onnx", "--to", str(tmp_path / "x"), "--trust", str(wine.parent)]) == 0
    )
    description = json.loads((tmp_path / "x" / "model.json").read_text())
    assert description["inputs"]["names"] == HEADER[:-1]
    assert description["outputs"]["classes"] == list(WINE.target_names)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HEADER[:-2], ROWS[0][:-2]], r"new\.csv: column 'proline' is missing"),
        (
            [HEADER, [*ROWS[0][:3], "oops", *ROWS[0][4:]]],
            r"new\.csv, row 2, column 'alcalinity_of_ash': 'oops'",
        ),
        ([ROWS[0][:5]], r"new\.csv: has no header"),
    ],
)
def test_wrong_rows_are_named(
    rows: list[list[str]], message: str, train: Callable[..., Path], tmp_path: Path
) -> None:
    run = train("data=sklearn", "data.name=wine", "trainer.max_epochs=1")
    with pytest.raises(DataError, match=message):
        main([str(run), str(write(tmp_path / "new.csv", *rows))])


def test_a_regression_predicts_in_the_targets_units(
    train: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("data=sklearn", "data.name=diabetes", "loss=mse", "trainer.max_epochs=30", "optim.lr=0.003")
    sugar = datasets.load_diabetes(scaled=False)
    raw = write(tmp_path / "new.csv", *[[*map(str, x)] for x in sugar.data])  # without a header
    capsys.readouterr()
    assert main([str(run), str(raw)]) == 0
    values = [float(row["prediction"]) for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    errors = [abs(value - y) for value, y in zip(values, sugar.target, strict=True)]
    assert sum(errors) / len(errors) < 50  # the mean of the targets misses by 66
