"""The table of groups to copy into a text: as Markdown, and as LaTeX with the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from abreast.report.formatting import metric_title
from abreast.report.group_cells import group_cells
from abreast.report.groups import Analysis, Task
from abreast.runs.atomic import write_atomically
from abreast.runs.files import REPORT_LATEX, REPORT_MARKDOWN
from abreast.runtime.printable import printable

Format = Literal["markdown", "latex"]

# What means something in Markdown: marks, links, HTML, GitHub's names and formulas.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]|~$#@]|(?<=:)//|(?<=www)\.")
GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
CAPITALS = ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega")
# What pdflatex sets without packages: Latin letters, and punctuation.
_PDFLATEX = re.compile("[\\x00-\\u017f\\u2010-\\u2026\\u20ac\\u2122]*")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",  # \\textquotedbl is not in LaTeX's first encoding
    "'": "{'}",
    "`": "{`}",
    "[": "{[}",  # at the start of a row it would be an argument of the line break before it
    "]": "{]}",
    "*": "{*}",
    "?": "{?}",  # as would the ligatures of ?` and !`
    "!": "{!}",
    "±": r"$\pm$",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    chr(0xFFFD): "{?}",  # of `printable`
    **{
        chr(code): f"${command}$"
        for code, command in (
            (0x2264, r"\leq"),
            (0x2265, r"\geq"),
            (0x2260, r"\neq"),
            (0x2248, r"\approx"),
            (0x2192, r"\to"),
            (0x2190, r"\leftarrow"),
            (0x2212, "-"),
            (0x221E, r"\infty"),
            (0x221A, r"\surd"),
            (0x2208, r"\in"),
        )
    },
    **{chr(0x3B1 + index): rf"$\{name}$" for index, name in enumerate(GREEK) if name},
    **{chr(0x391 + index): rf"$\{name.title()}$" for index, name in enumerate(GREEK) if name in CAPITALS},
}
_TEXT = str.maketrans(_LATEX)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


def tables(analysis: Analysis, markup: Format) -> str:
    """The tables of all data sets, one below the other, with their titles where there are several."""
    make = TABLES[markup]
    return "\n".join(make(task, analysis) for task in analysis.tasks)


def write_tables(analysis: Analysis, folder: Path) -> tuple[Path, ...]:
    """Write `table.md` and `table.tex`.

    Raises:
        OSError: If they cannot be written.
    """
    names: dict[Format, str] = {"markdown": REPORT_MARKDOWN, "latex": REPORT_LATEX}
    for markup, name in names.items():
        write_atomically(folder / name, tables(analysis, markup).encode("utf-8", "replace"))
    return tuple(folder / name for name in names.values())


def markdown_table(task: Task, analysis: Analysis) -> str:
    """A task's groups as a table of GitHub Flavored Markdown, the best first."""
    heads, rows, settings = group_cells(task, analysis)
    aligned = [":--" if index < settings or index == len(heads) - 1 else "--:" for index in range(len(heads))]
    lines = [f"**{markdown(task.label)}**", ""] if task.label else []
    lines += [_row(map(markdown, heads)), _row(aligned), *(_row(map(markdown, row)) for row in rows)]
    return "\n".join([*lines, "", markdown(_note(task, analysis)), ""])


def latex_table(task: Task, analysis: Analysis) -> str:
    r"""A task's groups as a LaTeX table; the document needs `\usepackage{booktabs}`."""
    heads, rows, settings = group_cells(task, analysis)
    columns = "l" * settings + "r" * (len(heads) - settings - 1) + "l"
    label = f"{task.label}. " if task.label else ""
    body = [" & ".join(map(_latex_cell, row)) + r" \\" for row in rows]
    others = (
        [] if _PDFLATEX.fullmatch("".join(body)) else ["% Compile with xelatex or lualatex, for its letters."]
    )
    return "\n".join(
        [
            *others,
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(label + _note(task, analysis))}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(latex, heads)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def markdown(text: str) -> str:
    r"""Text of any origin as Markdown that shows it, and nothing else.

    >>> markdown("a|b <i> *c*")
    'a\\|b &lt;i&gt; \\*c\\*'
    """
    plain = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(lambda match: "\\" + match[0], plain)


def latex(text: str) -> str:
    r"""Text of any origin as LaTeX that shows it, and nothing else.

    >>> latex("50% of a_b\\input{x}")
    '50\\% of a\\_b\\textbackslash{}input\\{x\\}'
    """
    return printable(text).translate(_TEXT).replace("--", "-{}-")  # no dash


def _latex_cell(text: str) -> str:
    """A cell: numbers with a minus sign instead of a hyphen."""
    parts = []
    end = 0
    for match in _NUMBER.finditer(text):
        parts += [latex(text[end : match.start()]), f"${match[0]}$" if match[0][0] in "+-" else match[0]]
        end = match.end()
    return "".join([*parts, latex(text[end:])])


def _row(cells: Sequence[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _note(task: Task, analysis: Analysis) -> str:
    """What the numbers are."""
    unit = next((group.unit for group in task.groups), "seed")
    note = (
        f"Mean {metric_title(analysis.metric)} over {unit}s with its 95% confidence interval; differences "
        "from the best group with intervals and p-values that hold for all comparisons together."
    )
    if analysis.margin is not None:
        note += f" Groups are equivalent within {analysis.margin:g}."
    return note


TABLES: dict[Format, Callable[[Task, Analysis], str]] = {"markdown": markdown_table, "latex": latex_table}
