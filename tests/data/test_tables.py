"""Tables as people have them: what is read, what each column becomes, and what is refused with its place."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn import datasets

from abreast.data.columns import Column, from_json, to_json
from abreast.data.datamodule import DataModule
from abreast.data.tables import table
from abreast.errors import AbreastError, DataError
from abreast.learner.normalize import Normalize

Write = Callable[..., Path]
IRIS = datasets.load_iris()
HEADER = [*map(str, IRIS.feature_names), "species"]
ROWS = [[*map(str, x), str(IRIS.target_names[y])] for x, y in zip(IRIS.data, IRIS.target, strict=True)]


def text_of(rows: Sequence[Sequence[str]], delimiter: str = ",", quoting: Any = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows(rows)
    return out.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of bytes or text."""

    def written(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


PLAIN = text_of([HEADER, *ROWS])
COMMAS = text_of([HEADER, *[[*(v.replace(".", ",") for v in row[:4]), row[4]] for row in ROWS]], ";")
INDEXED = text_of([["", *HEADER], *[[str(n), *row] for n, row in enumerate(ROWS)]], quoting=csv.QUOTE_ALL)
FORMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "byte order mark": (b"\xef\xbb\xbf" + PLAIN.encode(), {}),
    "utf-16 with tabs": (text_of([HEADER, *ROWS], "\t").encode("utf-16"), {}),
    "gzip": (gzip.compress(PLAIN.encode()), {}),
    "semicolons and decimal commas": (COMMAS.encode(), {"decimal": ","}),
    "blanks after commas, unix lines": (PLAIN.replace(",", ", ").replace("\r\n", "\n").encode(), {}),
    "a data frame's index, all quoted": (INDEXED.encode(), {}),
    "R's row names": (text_of([HEADER, *[[str(n), *row] for n, row in enumerate(ROWS)]]).encode(), {}),
    "blank lines at the end": ((PLAIN + "\r\n\r\n").encode(), {}),
    "no header": (text_of(ROWS).encode(), {"header": False, "target": 5}),
    "bars": (text_of([HEADER, *ROWS], "|").encode(), {}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_the_same_data(name: str, write: Write) -> None:
    content, options = FORMS[name]
    source = table(write(content), **{"target": "species", **options})
    expected = table(write(PLAIN, "plain.csv"), "species")
    assert source.content.hex == expected.content.hex
    assert torch.equal(source.train.inputs, expected.train.inputs)
    assert source.classes == tuple(map(str, IRIS.target_names))
    assert not source.official_test


def test_parquet(write: Write, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pip install 'abreast[tables]'")
    from pyarrow import parquet

    columns: list[list[Any]] = [list(map(float, column)) for column in list(zip(*ROWS, strict=True))[:4]]
    columns.append([row[4] for row in ROWS])
    parquet.write_table(pyarrow.table(columns, names=HEADER), tmp_path / "x.parquet")
    expected = table(write(PLAIN), "species")
    assert table(tmp_path / "x.parquet", "species").content.hex == expected.content.hex
    (tmp_path / "broken.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"broken\.parquet: is not a Parquet file that can be read"):
        table(tmp_path / "broken.parquet", "species")


def test_columns_become_inputs(write: Write) -> None:
    rows = [["age", "town", "smokes", "code", "flat", "y"]]
    rows += [
        [str(20 + n), ["Rome", "Bonn", "Oslo"][n % 3], ("yes", "No")[n % 2], str(n % 4), "7", "ab"[n % 2]]
        for n in range(40)
    ]
    rows[3][0], rows[4][1], rows[5][2] = "?", "", "NA"
    source = table(write(text_of(rows)), "y", categorical=["code"])
    assert [(c.name, c.kind, c.categories) for c in source.columns] == [
        ("age", "number", ()),
        ("town", "category", ("Bonn", "Oslo", "Rome")),
        ("smokes", "boolean", ()),
        ("code", "category", ("0", "1", "2", "3")),
        ("flat", "number", ()),
    ]
    assert from_json(to_json(source.columns)) == source.columns
    data = DataModule(source, batch_size=8)
    normalized = Normalize(data.mean, data.std)(data.train.inputs)
    assert normalized.isfinite().all()
    torch.testing.assert_close(normalized[:, 0].mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert torch.equal(normalized[:, 9], torch.zeros(len(normalized)))  # a column without spread
    inputs = source.pool.inputs
    assert int(inputs[:, 0].isnan().sum()) == 1
    assert int((inputs[:, 1:4].sum(1) == 0).sum()) == 1  # the missing town is none of the towns
    stays = torch.tensor([1, 2, 3, 5, 6, 7, 8])
    assert torch.equal(normalized[:, stays], data.train.inputs[:, stays])


def test_a_category_that_training_does_not_have_is_none(write: Write) -> None:
    rows = [["n", "town", "y"], *[[str(n * n), ["Rome", "Bonn"][n % 2], "ab"[n % 2]] for n in range(20)]]
    test = [["town", "n", "y"], ["Oslo", "3", "a"], ["Bonn", "", "b"]]
    source = table(write(text_of(rows)), "y", write(text_of(test), "test.csv"))
    assert source.official_test
    assert source.test.inputs[0].tolist() == [3, 0, 0]
    assert source.test.inputs[1, 1:].tolist() == [1, 0]
    rare = [*rows, ["1", "Oslo", "a"]]  # of one row, which may be tested on: then it says nothing
    for seed in range(8):
        data = DataModule(table(write(text_of(rare)), "y"), batch_size=4, split_seed=seed)
        oslo = 2  # of n, Bonn, Oslo, Rome
        is_trained = bool(data.train.inputs[:, oslo].any())
        assert (Normalize(data.mean, data.std).scale[oslo] != 0) == is_trained


def test_large_numbers_keep_their_differences(write: Write) -> None:
    rows = [["time", "y"], *[[str(1_700_000_000 + (n * 7) % 50), "ab"[n % 2]] for n in range(50)]]
    source = table(write(text_of(rows)), "y")
    assert len(source.pool.inputs[:, 0].unique()) == 50


def test_groups_stay_together(write: Write) -> None:
    rows = [[*HEADER, "patient"], *[[*row, f"p{n % 31}"] for n, row in enumerate(ROWS)]]
    source = table(write(text_of(rows)), "species", group="patient")
    assert source.groups is not None
    assert len(source.columns) == 4
    values = source.pool.inputs[:, 0] * 1000 + source.pool.inputs[:, 1]
    for options in ({}, {"split_seed": 4}, {"folds": 5, "fold": 2}):
        data = DataModule(source, batch_size=8, **options)
        assert len(data.train) + len(data.val) + len(data.test) == 150
        assert abs(len(data.test) - 30) <= 5
    from abreast.data.partition import partition

    for options in ({}, {"split_seed": 4}, {"folds": 5, "fold": 2}):
        parts = partition(source, 0.2, **options)
        sets = [{*source.groups[part].tolist()} for part in (parts.train, parts.val, parts.test)]
        assert all(sets)
        assert sum(map(len, sets)) == 31 == len(set.union(*sets))
    assert len(values) == 150


def test_regression(write: Write) -> None:
    sugar = datasets.load_diabetes(scaled=False)
    rows = [
        [*sugar.feature_names, "y"],
        *[[*map(str, x), str(y)] for x, y in zip(sugar.data, sugar.target, strict=False)],
    ]
    path = write(text_of(rows))
    source = table(path, "y", task="regression")
    assert source.classes == ()
    assert sorted(source.pool_targets[:, 0].tolist()) == sorted(sugar.target.tolist())
    with pytest.raises(DataError, match=r"column 'y': has 214 different .* data\.task=regression loss=mse"):
        table(path, "y")


def changed(row: int, column: int, value: str) -> str:
    rows = [list(cells) for cells in (HEADER, *ROWS)]
    rows[row][column] = value
    return text_of(rows)


MISTAKES: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "text": (
        changed(16, 2, "abc"),
        {},
        r"row 17, column 'petal length \(cm\)': 'abc' is not a number, as 149",
    ),
    "target": (
        PLAIN,
        {"target": "specis"},
        r"no column 'specis' \(data\.target\)\. .*Did you mean species\?",
    ),
    "drop": (PLAIN, {"drop": ["x"]}, r"no column 'x' \(data\.drop\)"),
    "group": (PLAIN, {"group": "who"}, r"no column 'who' \(data\.group\)"),
    "no target": (changed(9, 4, ""), {}, r"row 10, column 'species': the target is missing"),
    "one class": (
        text_of([["a", "species"], ["1", "x"], ["2", "x"]]),
        {},
        r"column 'species': has only the cl",
    ),
    "one row": (changed(9, 4, "lily"), {}, r"row 10, column 'species': the class 'lily' has this row alone"),
    "twice": (
        text_of([["a", "a", "species"], *[r[2:] for r in ROWS]]),
        {},
        r"row 1: columns 1 and 2 are both",
    ),
    "ragged": ("a,species\n1,x\n1,2,3\n", {}, r"row 3: has 3 values, but there are 2 columns"),
    "empty": ("", {}, r"table\.csv: holds no row\."),
    "header": ("a,species\n", {}, r"holds no row below its header"),
    "no header": (text_of(ROWS), {}, r"row 1: looks like data, .* data\.header=false"),
    "id": (
        text_of([["Id", *HEADER], *[[str(n + 1), *r] for n, r in enumerate(ROWS)]]),
        {},
        r"column 'Id': numbers the rows.*data\.drop=\[Id\]",
    ),
    "date": (
        text_of([["day", *HEADER], *[[f"2024-01-{n % 28 + 1:02d}", *r] for n, r in enumerate(ROWS)]]),
        {},
        r"row 2, column 'day': '2024-01-01' is a date",
    ),
    "names": (
        text_of([["who", *HEADER], *[[f"person {n}", *r] for n, r in enumerate(ROWS)]]),
        {},
        r"column 'who': has 150 different texts .*data\.drop=\[who\]",
    ),
    "commas": (
        COMMAS,
        {},
        r"row 2, column 'sepal length \(cm\)': '5,1' is a number with commas.*data\.decimal",
    ),
    "latin-1": (
        PLAIN.replace("virginica", "virginicá").encode("latin-1"),
        {},
        r"row 102: .*data\.encoding=la",
    ),
    "a spreadsheet": (b"PK\x03\x04...", {}, r"is a zip archive or spreadsheet\. Save the table as CSV"),
    "binary": (b"a,species\n\0\1,x\n", {}, r"row 2: is not text"),
    "cut off gzip": (gzip.compress(PLAIN.encode())[:-30], {}, r"cannot be read \("),
    "an open quote": ('a,species\n1,"x\n2,y\n', {}, r"row 2: is not a row of a table"),
    "large": (changed(3, 0, "1e40"), {}, r"row 4, column 'sepal length \(cm\)': 1e40 is out of the range"),
    "delimiter": (PLAIN, {"delimiter": ";;"}, r"data\.delimiter=';;': must be one character"),
    "encoding": (PLAIN, {"encoding": "utf-9"}, r"data\.encoding='utf-9': is unknown"),
    "nothing left": (PLAIN, {"columns": [], "drop": HEADER[:4]}, r"no column is left as an input"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line_with_their_place(name: str, write: Write) -> None:
    content, options, message = MISTAKES[name]
    with pytest.raises(AbreastError, match=message) as error:
        table(write(content), **{"target": "species", **options})
    assert "\n" not in str(error.value)


def test_a_test_table_has_its_own_places(write: Write) -> None:
    path = write(PLAIN)
    for content, message in (
        (changed(5, 4, "lily"), r"test\.csv, row 6, column 'species': 'lily' is not one of the classes"),
        (changed(5, 1, "x"), r"test\.csv, row 6, column 'sepal width \(cm\)': 'x' is not a number"),
        (
            text_of([HEADER[1:], *[r[1:] for r in ROWS]]),
            r"test\.csv: column 'sepal length \(cm\)' is missing",
        ),
    ):
        with pytest.raises(DataError, match=message):
            table(path, "species", write(content, "test.csv"))
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        table(path, "species", path.with_name("nowhere.csv"))


LOOK_ALIKES = {  # texts of the classes -> how many classes, and the line
    "case": (
        ["Yes", "no", "yes"],
        3,
        "'Yes' (10 rows) and 'yes' (10 rows) look alike and are different classes",
    ),
    "Unicode form": (["é", "b", "e\u0301"], 3, "(10 rows) and '\\xe9' (10 rows)"),
    "no-break space": (["a b", "a\u00a0b", "c"], 3, "look alike"),
    "invisible": (["ab", "a\u200bb", "c"], 3, "look alike"),
    "full width": (["A1", "\uff211", "c"], 3, "look alike"),
    "one number": (["1", "1.0", "2"], 2, "'1' and '1.0' are one class, as they are one number"),
    "leading zeros": (["7", "007", "8"], 2, "'007' and '7' are one class"),
    "numbers beside a text": (["1", "1.0", "x"], 3, "'1' (10 rows) and '1.0' (10 rows) look alike"),
    "blanks around": (["yes", " yes", "no"], 2, ""),  # which no reader of tables keeps
    "none": (["a", "b", "ab"], 3, ""),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_classes_that_look_alike(name: str, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    texts, count, line = LOOK_ALIKES[name]
    rows = [[str(n * n % 17), "pq"[n % 2], texts[n % len(texts)]] for n in range(30)]
    assert len(table(write(text_of([["n", "c", "y"], *rows])), "y").classes) == count
    assert [line in record.getMessage() for record in caplog.records] == ([True] if line else [])
    caplog.clear()
    as_input = [[n, target, c] for n, c, target in rows]
    columns = table(write(text_of([["n", "y", "t"], *as_input])), "t", categorical=["y"]).columns
    assert len(columns[1].categories) == (3 if name != "blanks around" else 2)
    assert len(caplog.records) == (len(columns[1].categories) == 3 and name != "none")


@pytest.mark.parametrize("broken", [7, [7], [{"name": 1}], [{"name": "a", "kind": "x", "offset": 0.0}]])
def test_columns_of_a_broken_checkpoint(broken: Any) -> None:
    with pytest.raises(DataError):
        from_json(broken)
    assert Column("a").width == 1
