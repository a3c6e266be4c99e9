"""Marks in the cells of Markdown and LaTeX that are no part of their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices
from abreast.report.readers.table_cells import table_cells

MARKDOWN = {
    "91.2<sup>1</sup>": "91.2",
    "**91.2**<sup>*a*</sup><sup>2</sup>": "**91.2**",
    "<b>91.2</b> <sup class='x'>1,2</sup>": "91.2",
    "91<sub>3</sub>": "91 3",
    "91<br>3": "91 3",
    "10<sup>-3</sup>": "10^-3",
    ".52<sup>1</sup>": ".52",
    "1<sup>st</sup>": "1",
    "ours<sup>1</sup>": "ours1",
    "0.9$^{*}$": "0.9",
    "**0.9**$^{*}$": "**0.9**",
    "$10^{-3}$": "$10^{-3}$",
    "F<sub>1</sub>": "F1",
    "0.9<sup>±0.1</sup>": "0.9 ±0.1",
    "0.9<sup>+0.1</sup><sub>-0.2</sub>": "0.9^+0.1 -0.2",
}
HTML = {
    "90<div>1</div>": "90 1",
    "0.9<span>12</span>": "0.9 12",
    "<p>0.8</p><p>2</p>": "0.8 2",
    "<li>0.8<li>2": "0.8 2",
    "0.9<small>1</small>2": "0.9 1 2",
    "0.9<br/>1": "0.9 1",
    "0.9<a href='#1'>1</a>": "0.9 1",
    "<b>0</b>.<i>9</i>": "0.9",
    "<span>0.9</span>": "0.9",
    "0.9<!-- > -->1": "0.91",
    "0.9<sub>1</sub>2": "0.9 1 2",
    "F<sub>1</sub>": "F1",
    "10<sup>-3</sup>": "10^-3",
    "3·10<sup>\u22124</sup>": "3·10^\u22124",
    "2<sup><span>8</span></sup>": "2^8",
    "0.9<sup>1</sup>": "0.9",
    "0.9<sup>1": "0.9",
    "90<sup>a</sup><b>1</b>": "90 1",
    "0.9<sup><a href=x>[1]</a></sup> <sup>b</sup>": "0.9",
    "p &lt; 0.05 &gt; 0": "p < 0.05 > 0",
    '<b title="1 > 0" style="a">0.9</b>': "0.9",
    "<b title=don't>0.9</b>": "0.9",
    "<script>'<td>1'</script>0.9<style>td{}</STYLE >": "0.9",
}
LATEX = {
    r"91.2\textsuperscript{1}": "91.2",
    r"\textbf{91.2}\textsuperscript{1}": "91.2",
    r"$91.2$\textsuperscript{\textit{a}}": "91.2",
    r"91.2\%\textsuperscript{1}": "91.2%",
    r"10\textsuperscript{-3}": "10^-3",
    r"ours\textsuperscript{1}": "ours1",
    r"0.9$^{*}$": "0.9",
    r"$0.9^{**}$": "0.9",
    r"\textbf{0.9}$^*$": "0.9",
    r"{0.9}$^{\dagger}$": "0.9",
    r"$0.9^\dagger$": "0.9",
    r"0.9\%$^{\text{a}}$": "0.9%",
    r"0.9$^{a,b}$": "0.9",
    r"0.9$^{1}$": "0.9",
    r"0.9$^b$": "0.9",
    r"0.9\dag": "0.9",
    r"$0.9\ddagger$": "0.9",
    r"$3\ast10^{-4}$": r"3\ast10^-4",
    r"$3 \star 10$": r"3 \star 10",
    r"90\textsuperscript{a}1": "90 1",
    r"90$^{a}$1": "90 1",
    r"0.9\tnote{a}": "0.9",
    r"0.9\footnotemark[1]": "0.9",
    r"0.9\footnote{of us}": "0.9",
    r"$0.9\pm0.1^{\ddagger}$": "0.9±0.1",
    r"$0.9$ $\pm$ $0.1$$^{*}$": "0.9 ± 0.1",
    r"10$^{-3}$": "10^-3",
    r"$3\cdot10^{-4}$": r"3\cdot10^-4",
    r"$2^n$": "2^n",
    r"$2^{10}$": "2^10",
    r"$5^{2}$": "5^2",
    r"$0.9^{+0.1}_{-0.2}$": "0.9^+0.1_-0.2",
    r"ours\tnote{a}": "ours",
}


@pytest.mark.parametrize("cell", MARKDOWN)
def test_marks_of_markdown(cell: str) -> None:
    lines, _ = table_cells(f"| m | acc |\n|--|--|\n| a | {cell} |\n", Path("a.md"))
    assert lines[1][1] == ["a", MARKDOWN[cell]]


@pytest.mark.parametrize("cell", HTML)
def test_marks_of_html(cell: str) -> None:
    lines, _ = table_cells(f"<table><tr><th>m<th>acc<tr><td>{cell}<td>0.5</table>", Path("a.html"))
    assert lines == [(1, ["m", "acc"]), (1, [HTML[cell], "0.5"])]


@pytest.mark.parametrize(
    ("text", "count"),
    [("<td>a<td>0.5", 2), (f"<td COLSPAN = '{'1' * 5_000}'>a", 1_000), ("<td data-colspan=3 rowspan=0>a", 1)],
)
def test_cells_of_html_that_nothing_closes(text: str, count: int) -> None:
    lines, _ = table_cells(f"<table><tr><th>m<th>acc\n<tr>{text}", Path("a.html"))
    assert lines[0] == (1, ["m", "acc"])
    assert (lines[1][0], len(lines[1][1])) == (2, count)


@pytest.mark.parametrize(
    "text",
    [
        *(part * 100_000 for part in ("<a ", '<td a="', "<td a='\"", "<!--", "<script>", "<", "<?")),
        *(f"<td{part * 100_000}" for part in (' a="" ', " ")),
        "<![x[<table><tr><th>m<th>acc<tr><td>a<td>0.5</table>",
        f"<table><tr><td>&#{'1' * 5_000};</table>",
    ],
)
@pytest.mark.timeout(20)
def test_broken_html_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(RunError, match=r"nothing closes|no tables with rows|a character cannot be read"):
        table_cells(text, Path("a.html"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('method  seed  acc\n"a 0 0.9\nb 0 0.8\nc 1 0.2', ['"a', "0", "0.9"]),
        ('method seed acc\n"a b" 0 0.9\nb 0 0.8', ["a b", "0", "0.9"]),
        (f'method seed acc\n"{"a" * 140_000}" 0 0.9\nb 0 0.8', [f'"{"a" * 140_000}"', "0", "0.9"]),
        ("method seed acc\na  1\u00a0000 0.9\nb 0 0.8", ["a", "1\u00a0000", "0.9"]),
    ],
)
def test_quotes_of_aligned_text(text: str, expected: list[str]) -> None:
    assert table_cells(text, Path("a.txt"))[0][1][1] == expected


def test_a_short_line_of_aligned_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('method  seed  acc\n"a 0 0.9\nb 0 0.8 0.3\nc 1 0.2')
    with pytest.raises(RunError, match="line 3: 4 cells in a table of 3 columns"):
        collect_foreign([path], Choices())


@pytest.mark.parametrize("cell", LATEX)
def test_marks_of_latex(cell: str) -> None:
    lines, _ = table_cells(
        f"\\begin{{tabular}}{{lc}} m & acc \\\\ a & {cell} \\\\ \\end{{tabular}}", Path("a.tex")
    )
    assert lines[1][1] == ["a", LATEX[cell]]


@pytest.mark.parametrize(
    "cell", ["1" * 100_000, "1," * 50_000, "." * 100_000, "1$" * 50_000, "1" + " " * 100_000]
)
@pytest.mark.timeout(20)
def test_long_cells_take_linear_time(cell: str) -> None:
    lines, _ = table_cells(f"| m | acc |\n|--|--|\n| a | {cell} |\n", Path("a.md"))
    assert lines[1][1] == ["a", cell.strip()]


LONG = 100_000
LATEX_BOMBS = (r"\begin{tabular}", r"\multirow[", r"\cline{", r"\cite[", r"\\[", r"\cmidrule(", "1^{")


@pytest.mark.parametrize("part", LATEX_BOMBS)
@pytest.mark.timeout(20)
def test_commands_of_latex_that_nothing_closes_take_linear_time(part: str) -> None:
    table = rf"\begin{{tabular}}{{lc}} m & acc \\ {part * 20_000} & 0.5 \\ \end{{tabular}}"
    assert table_cells(table, Path("a.tex"))[0][-1][1][-1] == "0.5"


def test_commands_of_latex_in_a_csv() -> None:
    text = f"m,acc\na,{LATEX_BOMBS[0] * 5_000}"
    assert len(table_cells(text, Path("a.csv"))[0][1][1]) == 2


def test_latex_of_very_many_cells_is_refused() -> None:
    row = r"\multicolumn{999}{c}{x} &" * 2_000
    with pytest.raises(RunError, match="more than 1000000 cells"):
        table_cells(rf"\begin{{tabular}}{{l}} {row} \end{{tabular}}", Path("a.tex"))


@pytest.mark.parametrize(
    "text",
    [
        f"|m|acc|\n|--|--|\n|a|0.9|\n{' ' * LONG}\n",
        f"m  acc\na{' ' * LONG}0.9\n",
        f"m acc\nb b\na{' ' * LONG}0.9\n",
        f"{'|-' * LONG}\n\n|m|acc|\n|--|--|\n|a|0.9|",
    ],
)
@pytest.mark.timeout(20)
def test_long_lines_take_linear_time(text: str) -> None:
    assert table_cells(text, Path("a.txt"))[0][-1][1] == ["a", "0.9"]


@pytest.mark.parametrize("mark", ["_", " ", "/", "_a", "seed_"])
@pytest.mark.timeout(20)
def test_long_headers_take_linear_time(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    long = [f'"b{mark * (9_900 // len(mark))}x{letter}"' for letter in "abcdefghijklmnopqrst"]
    path.write_text(f"m,acc,{','.join(long)}\na,0.9{',1' * 20}\nb,0.8{',2' * 20}\n")
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert [run.metrics["test/accuracy"] for run in collected[0].runs] == [0.9, 0.8]


def test_a_long_header_is_refused() -> None:
    with pytest.raises(RunError, match="line 1: the name of a column has 100002 characters"):
        table_cells(f"m,a{' ' * LONG}x\na,0.9\n", Path("a.csv"))


@pytest.mark.parametrize("last", ["Source only", "Best", "Note", "All layers", "Table look-up", "value net"])
def test_a_run_without_a_result_is_no_note(last: str) -> None:
    lines, notes = table_cells(f"m,seed,acc\na,0,0.8\n{last},,\n", Path("a.csv"))
    assert (lines[-1][1][0], notes) == (last, [])


@pytest.mark.parametrize(
    "last",
    ["Source: us", "Best per column: bold", "* p < 0.05", "12 rows", "All values are means of five runs"],
)
def test_a_note_is_left_out_and_said(last: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(f"m,seed,acc\na,0,0.8\nb,0,0.7\n{last},,\n")
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert len(collected[0].runs) == 2
    assert f"Left out, as a note below the table: {last}" in collected[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|m|hidden|accuracy|\n|--|--|--|\n|a|64,128|91,234|\n|b|64,64|90,5|\n", [91.234, 90.5]),
        ('m,hidden,accuracy\na,"64,128","91,234"\nb,"64,64","90,512"\n', [91.234, 90.512]),
        ("|m|hidden|score|\n|--|--|--|\n|a|64,128|91,234|\n|b|64,64|9,234|\n", [91234.0, 9234.0]),
        ("m;hidden;accuracy\na;64,128;91.25\nb;64,64;90.5\n", [91.25, 90.5]),
        ("m\thidden\taccuracy\na\t64,128\t91,25\nb\t64,64\t90,5\n", [91.25, 90.5]),
        ("m;hidden;epochs;accuracy\na;64,128;1,5;91,25\nb;64,64;2,5;90,5\n", [91.25, 90.5]),
        ("|m|hidden|mse|\n|--|--|--|\n|a|64,128|0,5|\n|b|64,64|1,234|\n", [0.5, 1.234]),
    ],
)
def test_commas_by_the_range_of_the_metric(text: str, expected: list[float], tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(text)
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert [run.metrics[collected[1]] for run in collected[0].runs] == expected
    assert [run.settings["hidden"] for run in collected[0].runs] == ["64,128", "64,64"]


@pytest.mark.parametrize(("high", "is_said"), [("91", True), ("1.2", False), ("0.9", False)])
def test_shares_beside_percentages_are_said(high: str, is_said: bool, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(f"m,seed,accuracy\na,0,0.85\na,1,0.8\nb,0,{high}\n")
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert (
        any("accuracy has values up to 1 and above 1.5, 0.8 to" in note for note in collected[2]) == is_said
    )


def test_rows_that_latex_merges_have_its_text_and_no_others() -> None:
    header = r"\multirow{2}{*}{m} & \multicolumn{2}{c}{acc} \\ & a & b \\ \hline"
    rows = rf"{header} \multirow{{2}}{{*}}{{\textbf{{CE}}}} & 1 & 2 \\"
    text = rf"\begin{{tabular}}{{lrr}} {rows} & 3 & 4 \\ \hline & 5 & 6 \\ \end{{tabular}}"
    lines, _ = table_cells(text, Path("a.tex"))
    assert [cells[0] for _, cells in lines] == ["m", "", "CE", "CE", ""]
