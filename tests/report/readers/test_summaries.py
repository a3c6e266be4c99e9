"""Rows and cells that are easily taken for summaries or merged cells, and are neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.readers.csv_table import Row
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices
from abreast.report.readers.summaries import with_merged_cells, without_summary_rows


def table(text: str) -> list[Row]:
    header, *rows = (line.split(",") for line in text.split("\n"))
    return [dict(zip(header, row, strict=True)) for row in rows]


LEVELS = {
    "a method with repeats": "method,accuracy\nERM,.80\nERM,.81\nERM,.82\nVAR,.85\nVAR,.86\nVAR,.87",
    "a method in one run each": "pooling,accuracy\nmax,.80\nattention,.81\nmean,.9",
    "a method for each setting": "loss,lr,accuracy\nERM,1,.80\nERM,2,.81\nVAR,1,.85\nVAR,2,.86",
    "an unknown metric": "method,fitness\nERM,.80\nERM,.81\nSE,.85\nSE,.86",
    "without the seeds of others": "method,seed,acc\nERM,0,.80\nERM,1,.81\nSEM,,.85\nSEM,,.86",
}
LEFT_OUT = {
    "a mean and a spread of all": ("model,acc\na,.80\na,.82\nb,.7\nb,.6\nmean,.73\nstd,.1", ["mean", "std"]),
    "means of single runs": ("dataset,erm_acc,var_acc\nx,80,70\ny,90,60\nAverage,85,65", ["Average"]),
    "a mean for each method": (
        "data,method,acc\nx,a,.8\nx,b,.7\ny,a,.6\ny,b,.5\noverall,a,.7\noverall,b,.6",
        ["overall"],
    ),
    "a level before a mean": ("m,acc\nERM,.80\nERM,.81\nVAR,.85\nVAR,.86\nmean,.83", ["mean"]),
    "a mean below each block": ("m,seed,acc\na,0,.8\na,1,.6\nmean,,.7\nb,0,.8\nb,1,.7\nmean,,.75", ["mean"]),
}


@pytest.mark.parametrize("name", LEVELS)
def test_levels_that_are_called_as_summaries_are_kept(name: str) -> None:
    rows = table(LEVELS[name])
    assert without_summary_rows(rows) == (rows, [])


@pytest.mark.parametrize("name", LEFT_OUT)
def test_summaries_are_left_out(name: str) -> None:
    text, words = LEFT_OUT[name]
    rows = table(text)
    first = next(iter(rows[0]))
    assert without_summary_rows(rows) == ([row for row in rows if row[first] not in words], words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("weights,accuracy\nimagenet,.91\n,.71\n,.72", ["imagenet", "", ""]),
        ("weights,accuracy\nimagenet,.91\n,.71\nmoco,.8\n,.72", ["imagenet", "", "moco", ""]),
        ("weights,seed,accuracy\nimagenet,0,.91\n,0,.71\nmoco,0,.9\n,1,.72", ["imagenet", "", "moco", ""]),
        ("weights,seed,accuracy\nimagenet,0,.91\n,1,.71\nmoco,2,.9\n,3,.72", ["imagenet", "", "moco", ""]),
        ("weights,seed,accuracy\na,0,.91\n,1,.71\nb,0,.9\n,1,.72", ["a", "a", "b", "b"]),
        ("loss,lr,seed,acc\na,1,0,.9\n,,1,.7\n,2,0,.9\n,,1,.7\nb,1,0,.9\n,,1,.7", ["a"] * 4 + ["b"] * 2),
    ],
)  # fmt: skip
def test_cells_are_filled_only_where_they_cannot_be_none(text: str, expected: list[str]) -> None:
    rows, (remark,) = with_merged_cells(table(text))
    assert [next(iter(row.values())) for row in rows] == expected
    assert ("own" in remark) == ("" in expected)


def test_the_notes_say_how_empty_cells_were_read(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("weights,seed,accuracy\na,0,.91\n,1,.71\nb,0,.9\n,1,.72\n")
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert "Empty cells of weights were read as the text above them." in collected[2]
