"""Tables as strangers bring them: each is read rightly, or refused in one line with its place and a fix."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from abreast.data.tables import table
from abreast.errors import DataError

ROWS = 40
Row = Callable[[int], Sequence[str]]


def text_of(header: Sequence[str], row: Row, delimiter: str = ",", end: str = "\n") -> str:
    return "".join(delimiter.join(line) + end for line in (header, *map(row, range(ROWS))))


def values(n: int) -> list[str]:
    return [str(n * n % 9), str(n * n % 7), "ab"[n % 2]]


def beside(*texts: str) -> str:
    """A table whose first column holds these texts, one after the other."""
    return text_of(["p", "q", "y"], lambda n: [texts[n % len(texts)], *values(n)[1:]])


PLAIN = text_of(["p", "q", "y"], values)
BOTH = [("p", "number"), ("q", "number")]
TEXTS = [("p", "category"), ("q", "number")]
AB = ("a", "b")

# Content, options; what the columns are, and the classes.
READ: dict[str, tuple[str | bytes, dict[str, Any], list[tuple[str, str]], tuple[str, ...]]] = {
    "semicolons and decimal commas": (
        text_of(["p", "q", "y"], lambda n: [f"{n},5", f"1.{n:03d},25", "ab"[n % 2]], ";"),
        {"decimal": ","},
        BOTH,
        AB,
    ),
    "Excel's delimiter": ("sep=;\r\n" + text_of(["p", "q", "y"], values, ";", "\r\n"), {}, BOTH, AB),
    "lines that end with a separator": (text_of(["p", "q", "y"], lambda n: [*values(n), ""]), {}, BOTH, AB),
    "lines and a header that end with two": (
        text_of(["p", "q", "y", "", ""], lambda n: [*values(n), "", ""]),
        {},
        BOTH,
        AB,
    ),
    "R's row names": (text_of(["p", "q", "y"], lambda n: [f"row {n}", *values(n)]), {}, BOTH, AB),
    "spaces": (text_of(["p", "q", "y"], values, "  "), {"delimiter": " "}, BOTH, AB),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + PLAIN.encode(), {}, BOTH, AB),
    "old Macs' lines": (PLAIN.replace("\n", "\r"), {}, BOTH, AB),
    "latin-1": (
        beside("\xe9", "\xfc").encode("latin-1"),
        {"encoding": "latin-1"},
        TEXTS,
        AB,
    ),
    "lines in quotes": (beside('"one\ntwo"', '"one, ""two"""'), {}, TEXTS, AB),
    "blanks around names and classes": (
        text_of([" p", "q ", " y "], lambda n: [*values(n)[:2], (" a", "b ")[n % 2]]),
        {},
        BOTH,
        AB,
    ),
    "spellings of missing": (
        beside("1.5", "NA", "n/a", "#N/A", "<NA>", "nan", "-nan", ""),
        {},
        BOTH,
        AB,
    ),
    "other spellings of missing": (beside("1.5", "-", "2", "."), {"missing": ["-", "."]}, BOTH, AB),
    "a typographic minus": (beside("\u22121.5", "2"), {}, BOTH, AB),
    "an empty and a constant column": (
        text_of(["p", "q", "e", "y"], lambda n: [values(n)[0], "5", "", "ab"[n % 2]]),
        {},
        [*BOTH, ("e", "number")],
        AB,
    ),
    "texts of truth": (beside("TRUE", "False"), {}, [("p", "boolean"), BOTH[1]], AB),
    "classes as decimals": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], ("1.0", "2.0")[n % 2]]),
        {},
        BOTH,
        ("1.0", "2.0"),
    ),
    "classes as decimals and whole numbers": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], ("1.0", "2", "1", "2.0")[n % 4]]),
        {},
        BOTH,
        ("1", "2"),
    ),
    "an unnamed index": (text_of(["", "p", "q", "y"], lambda n: [str(n), *values(n)]), {}, BOTH, AB),
    "a class called None": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], ("None", "mild")[n % 2]]),
        {"missing": [""]},
        BOTH,
        ("None", "mild"),
    ),
}

REFUSED: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "decimal commas between commas, not R's names of rows": (
        "p,y\n" + "".join(f"{n % 4},5,{'ab'[n % 2]}\n" for n in range(ROWS)),
        {},
        r"row 2: has 3 values, but there are 2 columns\. Is a value with ',' not in quotes",
    ),
    "utf-16 without a mark": (
        PLAIN.encode("utf-16-le"),
        {},
        r"row 1: is not text\. If it is UTF-16 .*utf-16-le",
    ),
    "bzip2": (bz2.compress(PLAIN.encode()), {}, r"is compressed by bzip2\. Save the table as"),
    "xz": (lzma.compress(PLAIN.encode()), {}, r"is compressed by xz\."),
    "a database": (b"SQLite format 3\0" + bytes(84), {}, r"is a database\."),
    "a page's table": ("<table><tr><td>p</td></tr></table>", {}, r"is HTML, XML or JSON"),
    "a target out of range": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], "1e300"]),
        {"task": "regression"},
        r"row 2, column 'y': 1e300 is out of the range of float32",
    ),
    "more inputs than memory": (
        text_of(["p", "q", "y"], lambda n: [f"{n} {'x' * 9}", *values(n)[1:]]),
        {"categorical": ["p"]},
        r"40 rows of 41 inputs are .* not held in memory\. Leave out columns; 'p' has 40 inputs",
    ),
    "decimal commas": (
        text_of(["p", "q", "y"], lambda n: [f"{n},5", *values(n)[1:]], ";"),
        {},
        r"row 2, column 'p': '0,5' is a number with commas\. .*data\.decimal=','",
    ),
    "a decimal target": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], f"{n},5"], ";"),
        {"task": "regression"},
        r"row 2, column 'y': '0,5' is not a number.*data\.decimal=','",
    ),
    "thousands with commas": (
        beside('"1,000"', '"2,500"'),
        {},
        r"row 2, column 'p': '1,000' is a number with",
    ),
    "thousands with blanks": (
        beside("1 000", "2 500"),
        {},
        r"'1 000' is a number written for people",
    ),
    "thousands with apostrophes": (beside("1'000", "2'500"), {}, r"\"1'000\" is a number written for people"),
    "money": (beside("$5.50", "$7"), {}, r"'\$5\.50' is a number written for people"),
    "per cent": (beside("5 %", "7.5 %"), {}, r"'5 %' is a number written for people"),
    "dates": (beside("2020-01-02", "2021-03-04"), {}, r"row 2, column 'p': '2020-01-02' is a date or time"),
    "dates in words": (
        beside("2 Jan 2020", "March 4 2021"),
        {},
        r"'2 Jan 2020' is a date or time",
    ),
    "a text among numbers": (
        text_of(["p", "q", "y"], lambda n: ["x" if n == 20 else str(n), *values(n)[1:]]),
        {},
        r"row 22, column 'p': 'x' is not a number, as 39 other values are",
    ),
    "a name for each row": (
        text_of(["p", "q", "y"], lambda n: [f"name {n}", *values(n)[1:]]),
        {},
        r"column 'p': has 40 different texts in 40 rows, such as 'name 0'.*data\.drop=\[p\]",
    ),
    "not UTF-8": (
        beside("\xe9", "\xfc").encode("latin-1"),
        {},
        r"row 2: byte e9 is not utf-8",
    ),
    "a name twice": (PLAIN.replace("q", "p", 1), {}, r"row 1: columns 1 and 2 are both called 'p'"),
    "columns without names": (
        text_of(["p", "", "", "y"], lambda n: ["1", "2", *values(n)[1:]]),
        {},
        r"2 columns have no name\. Name them in the first row",
    ),
    "a header alone": ("p,q,y\n", {}, r"holds no row below its header"),
    "nothing": ("\n\n", {}, r"holds no row\. Give a table"),
    "one class": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], "a"]),
        {},
        r"column 'y': has only the class 'a'",
    ),
    "one class, written in two ways": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], ("1", "1.0")[n % 2]]),
        {},
        r"column 'y': has only the class '1'",
    ),
    "a class is missing": (
        text_of(["p", "q", "y"], lambda n: [*values(n)[:2], "ab"[n % 2] if n != 7 else "None"]),
        {},
        r"row 9, column 'y': the target is missing\..*if 'None' is a class, .*data\.missing=\[''\]",
    ),
    "a row too short": (PLAIN + "1,2\n", {}, r"row 42: has 2 values, but there are 3 columns"),
    "a row too long": (PLAIN + "1,2,3,a\n", {}, r"row 42: has 4 values, but there are 3 columns"),
    "a title": (
        "My table\n\n" + PLAIN,
        {},
        r"row 3: has 3 values, but the first row has one, 'My t",
    ),
    "spaces as delimiters": (
        text_of(["p", "q", "y"], values, " "),
        {},
        r"It has p q y\. Is the delimiter",
    ),
    "the header again": (PLAIN * 2, {}, r"row 42, column 'p': 'p' is not a number"),
    "a page": (
        "<!DOCTYPE html>\n<p>404</p>\n",
        {},
        r"is HTML, XML or JSON, not a table\. Save",
    ),
    "JSON": ('[{"p": 1, "y": "a"}]', {}, r"is HTML, XML or JSON, not a table"),
}


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", READ)
def test_read(name: str, tmp_path: Path) -> None:
    content, options, columns, classes = READ[name]
    source = table(written(tmp_path, content), "y", **options)
    assert [(column.name, column.kind) for column in source.columns] == columns
    assert source.classes == classes
    assert len(source.pool) == ROWS
    assert (source.pool_targets == 0).sum() == ROWS / 2


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, options, message = REFUSED[name]
    if name == "more inputs than memory":
        monkeypatch.setattr("abreast.data.table_inputs.MOST_BYTES", 6000)
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message) as error:
        table(path, "y", **options)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_utf_32(tmp_path: Path) -> None:
    assert len(table(written(tmp_path, PLAIN.encode("utf-32")), "y").pool) == ROWS


@pytest.mark.parametrize("encoding", ["undefined", "utf\0", "rot13", "zlib", "x" * 9999])
def test_codecs_that_are_no_encodings(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.encoding=.* is unknown; usual ones are utf-8"):
        table(written(tmp_path, PLAIN), "y", encoding=encoding)


def test_a_test_table_may_write_its_classes_otherwise(tmp_path: Path) -> None:
    train = text_of(["p", "q", "y"], lambda n: [*values(n)[:2], ("1.0", "2.0")[n % 2]])
    test = tmp_path / "test.csv"
    test.write_text("q,p,y\n1,2,2\n3,4,1\n")
    source = table(written(tmp_path, train), "y", test_file=test)
    assert source.test.targets.tolist() == [1, 0]
    assert source.test.inputs.tolist() == [[2.0, 1.0], [4.0, 3.0]]
