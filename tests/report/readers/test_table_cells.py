"""Marks in the cells of Markdown and LaTeX that are no part of their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.report.readers.table_cells import table_cells

MARKDOWN = {
    "91.2<sup>1</sup>": "91.2",
    "**91.2**<sup>*a*</sup><sup>2</sup>": "**91.2**",
    "<b>91.2</b> <sup class='x'>1,2</sup>": "91.2",
    "91<sub>3</sub>": "91 3",
    "91<br>3": "91 3",
    "10<sup>-3</sup>": "10^-3",
    "1<sup>st</sup>": "1",
    "ours<sup>1</sup>": "ours1",
}
LATEX = {
    r"91.2\textsuperscript{1}": "91.2",
    r"\textbf{91.2}\textsuperscript{1}": "91.2",
    r"$91.2$\textsuperscript{\textit{a}}": "91.2",
    r"91.2\%\textsuperscript{1}": "91.2%",
    r"10\textsuperscript{-3}": "10^-3",
    r"ours\textsuperscript{1}": "ours1",
}


@pytest.mark.parametrize("cell", MARKDOWN)
def test_marks_of_markdown(cell: str) -> None:
    lines = table_cells(f"| m | acc |\n|--|--|\n| a | {cell} |\n", Path("a.md"))
    assert lines[1][1] == ["a", MARKDOWN[cell]]


@pytest.mark.parametrize("cell", LATEX)
def test_marks_of_latex(cell: str) -> None:
    lines = table_cells(
        f"\\begin{{tabular}}{{lc}} m & acc \\\\ a & {cell} \\\\ \\end{{tabular}}", Path("a.tex")
    )
    assert lines[1][1] == ["a", LATEX[cell]]
