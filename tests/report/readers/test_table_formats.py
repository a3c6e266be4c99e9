"""One table in the formats that people keep theirs in."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.report.readers import table_text
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices
from abreast.report.readers.table_text import read_table_text

ROWS = (("adam", 0, 0.9), ("adam", 1, 0.8), ("sgd", 0, 0.7), ("sgd", 1, 0.5))
HEAD = ("method", "seed", "acc")
CSV = "\n".join(["method,seed,acc", *(f"{m},{s},{v}" for m, s, v in ROWS)])
RECORDS = [dict(zip(HEAD, row, strict=True)) for row in ROWS]
METHODS = ("adam", "sgd")
MOST = 1 << 20  # bytes, in these tests


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, CSV)
    return file.getvalue()


def html(tag: str) -> str:
    cells = "".join(f"<tr><{tag}>{m}</{tag}><td>{s}<td><b>{v}</b><sup>1</sup></td></tr>" for m, s, v in ROWS)
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    return f"<!DOCTYPE html><style>td {{color: red}}</style><table><tr>{head}</tr>{cells}</table>"


def merged() -> str:
    rows = [f"<td>{s}</td><td>{v}</td>" for _, s, v in ROWS]
    rows = [
        f'<td rowspan="2">{METHODS[at // 2]}</td>{row}' if at % 2 == 0 else row for at, row in enumerate(rows)
    ]
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def drawn(bar: str, top: str, below: str, last: str) -> str:
    lines = [f"{bar}{bar.join(f' {cell:6} ' for cell in map(str, row))}{bar}" for row in (HEAD, *ROWS)]
    return "\n".join([top, lines[0], below, *lines[1:], last])


def latex(row: str) -> str:
    body = r" \\ ".join(row.format(m=m, s=s, v=v) for m, s, v in ROWS)
    head = r"{method} & {seed} & {acc} \\ \midrule"
    return rf"\begin{{tabular}}{{lS[table-format=1.1]S}} {head} {body} \\ \end{{tabular}}"


PSQL = drawn("|", "", "--------+--------", "(4 rows)").replace("\n|", "\n ").replace("|\n", "\n")
FORMATS: dict[str, tuple[str, str | bytes]] = {
    "bzip2": ("r.csv.bz2", bz2.compress(CSV.encode())),
    "xz": ("r.csv.xz", lzma.compress(CSV.encode())),
    "zip": ("r.csv.zip", zipped("r.csv")),
    "zip with another name": ("r.zip", zipped("results.csv")),
    "HTML": ("r.html", html("td")),
    "HTML of pandas": ("r.htm", html("th")),
    "HTML, merged": ("r.html", merged()),
    "a grid of reST": ("r.rst", drawn("|", "+--------+", "+========+", "+--------+")),
    "lines of a terminal": ("r.txt", drawn("│", "┏━━━┳━━━┓", "┡━━━╇━━━┩", "└───┴───┘")),
    "psql": ("r.txt", PSQL),
    "simple reST": ("r.txt", drawn("  ", "====  ====", "====  ====", "====  ====")),
    "LaTeX with colours": (
        "r.tex",
        latex(r"\rowcolor{{gray!10}} {m}~\cite{{a}} & {s} & \cellcolor[HTML]{{FF0000}}{v}"),
    ),
    "LaTeX with siunitx": (
        "r.tex",
        latex(r"\makecell{{{m}}} & \num{{{s}}} & \textcolor{{red}}{{\textbf{{\num{{{v}}}}}}}"),
    ),
    "Markdown with links": (
        "r.md",
        "\n".join(
            [
                "|method|seed|acc|",
                "|--|--|--|",
                *(f"|[{m}](http://a.b/c)|{s}|[{v}](log)|" for m, s, v in ROWS),
            ]
        ),
    ),
    "JSON of pandas, by columns": (
        "r.json",
        json.dumps({key: {str(at): row[key] for at, row in enumerate(RECORDS)} for key in HEAD}),
    ),
    "by rows": ("r.json", json.dumps({str(at): row for at, row in enumerate(RECORDS)})),
    "split": ("r.json", json.dumps({"columns": HEAD, "index": [0, 1, 2, 3], "data": ROWS})),
    "table": ("r.json", json.dumps({"schema": {"fields": []}, "data": RECORDS})),
    "within more": ("r.json", json.dumps({"date": "2024", "results": RECORDS})),
    "by method, seed and metric": (
        "r.json",
        json.dumps({m: {s: {"acc": v} for n, s, v in ROWS if n == m} for m in METHODS}),
    ),
    "by method and metric, a list of repeats": (
        "r.json",
        json.dumps({m: {"acc": [v for n, _, v in ROWS if n == m]} for m in METHODS}),
    ),
    "by method, a list of repeats": (
        "r.json",
        json.dumps({m: [v for n, _, v in ROWS if n == m] for m in METHODS}),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format(name: str, tmp_path: Path) -> None:
    file, content = FORMATS[name]
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    asked = "accuracy" if name == "by method, a list of repeats" else None
    collected = collect_foreign([path], Choices(metric=asked))
    assert collected is not None
    sweep, metric, _ = collected
    groups: dict[object, list[tuple[int | None, float]]] = {}
    for run in sweep.runs:
        groups.setdefault(run.key, []).append((run.seed, run.metrics[metric]))
    assert sorted(map(sorted, groups.values())) == [[(0, 0.7), (1, 0.5)], [(0, 0.9), (1, 0.8)]]


def sheet() -> bytes:
    return zipped("[Content_Types].xml", "xl/workbook.xml")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("r.zip", zipped("a.csv", "b.csv"), "holds 2 files"),
        ("r.csv", sheet(), "is a sheet of Excel. Save it as CSV"),
        ("r.csv.bz2", bz2.compress(CSV.encode())[:-9], "cannot be read"),
        ("r.csv.xz", lzma.compress(CSV.encode())[:-9], "cannot be read"),
        ("r.csv.zip", zipped("r.csv")[:-9], "cannot be read"),
        ("r.html", b"<p>no table</p>", "holds no tables"),
        ("r.html", (html("td") * 2).encode(), "holds 2 tables"),
        (
            "r.html",
            b"<table><tr>" + b"<td colspan=1000 rowspan=1000>x" * 900 + b"</tr>" + b"<tr></tr>" * 999,
            "more than 1000000 cells",
        ),
        ("r.json", b'{"resnet": {"loss": [2, 1], "val_loss": [3, 2]}, "vgg": 1}', "without any result"),
    ],
)
def test_what_is_refused(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(RunError, match=re.escape(message)):
        collect_foreign([path], Choices())


@pytest.mark.parametrize(
    ("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_streams_of_one_file_are_joined(
    suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"r.csv.{suffix}"
    parts = [compress(part.encode()) for part in (CSV[:30], CSV[30:], "")]
    path.write_bytes(b"".join(parts) + b"\0" * 4 * (suffix != "bz2"))
    assert read_table_text(path) == CSV
    path.write_bytes(b"".join(parts)[:-9])
    with pytest.raises(RunError, match="cannot be read"):
        read_table_text(path)
    path.write_bytes(compress(b"a,b\n" + b"0" * MOST) + compress(b"1"))
    monkeypatch.setattr(table_text, "MOST_BYTES", MOST)
    with pytest.raises(RunError, match=r"larger than|Memory usage limit"):
        read_table_text(path)


def test_xz_of_very_many_streams_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv.xz"
    path.write_bytes(lzma.compress(b"") * 2_000)
    with pytest.raises(RunError, match="more than 1000 compressed files"):
        read_table_text(path)


def test_histories_by_method_are_no_repeats(tmp_path: Path) -> None:
    path = tmp_path / "histories.json"
    curves = {
        m: {"loss": [2, 1], "val_loss": [3, 2], "val_acc": [0.1, v]} for m, v in (("a", 0.5), ("b", 0.7))
    }
    path.write_text(json.dumps(curves))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert [run.metrics["val/accuracy"] for run in collected[0].runs] == [0.5, 0.7]
