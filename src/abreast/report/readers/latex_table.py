"""The table of a LaTeX file as cells: its `tabular`, with what its commands show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from abreast.errors import RunError
from abreast.report.readers.footnotes import MOST_NESTED, RAISED, without_footnote

MOST_CELLS = 1_000_000
_BEGIN = re.compile(r"\\begin\{(tabular[*xy]?|longtable|tblr)\}")
_RULES = re.compile(
    r"\\(?:(?:top|mid|bottom)rule|hline|(?:c(?:mid)?rule|cline)(?:\([^()]*\))?\{[^{}]*\})(?:\[[^\[\]]*\])?"
)
_SPAN = re.compile(r"\\multicolumn\{(\d{1,3})\}\{[^}]*\}\{(.*)\}", re.DOTALL)
_ROWS = re.compile(r"\\multirow(?:\[[^\[\]]*\])?\{(\d{1,3})\}")
_NAMED = re.compile(
    r"\\(?:multirow(?:\[[^\[\]]*\])?\{[^{}]*\}\{[^{}]*\}|(?:text|math)(?:bf|it|rm|tt|sc|sf)|text|underline|emph)\{([^{}]*)\}"
)
_SHOWN = re.compile(  # commands whose last argument is what they show
    r"\\(?:num|uline|makecell|mbox|ensuremath|boldsymbol|bm|(?:text)?color(?:box)?(?:\[[^\[\]]*\])?\{[^{}]*\})"
    r"(?:\[[^\[\]]*\])?\{([^{}]*)\}"
)
_HIDDEN = re.compile(  # commands that show nothing of a table's cell
    r"~?\\(?:(?:cell|row)color(?:\[[^\[\]]*\])?|[cC]ite[a-zA-Z]*\*?(?:\[[^\[\]]*\])*|ref|label|h?v?phantom|rule|"
    r"tnote|footnote)\{[^{}]*\}|\\color(?:\[[^\[\]]*\])?\{[^{}]*\}|\\footnotemark(?![a-z])(?:\[[^\[\]]*\])?"
)
Line = tuple[int, list[str]]


def is_latex(text: str) -> bool:
    """Whether a text holds a table of LaTeX."""
    return next(_tables(text), None) is not None


def latex_cells(text: str, path: Path) -> list[Line]:
    tables = list(_tables(text))
    if len(tables) > 1:
        raise RunError(f"{path}: holds {len(tables)} tables. Give a file with one")
    at, kind, body = tables[0]
    start = text[:at].count("\n") + 1
    body = _without_arguments(body, 2 if kind.endswith(("*", "x", "y")) else 1)
    body = re.sub(r"(?<!\\)%.*", "", body)
    lines: list[Line] = []
    count = 0
    merged: dict[int, tuple[int, str]] = {}  # by column: for how many rows still, and the text
    for row in re.split(r"\\\\(?:\[[^\[\]]*\])?|\\tabularnewline", body):
        number, start = start, start + row.count("\n")
        cells: list[str] = []
        for cell in re.split(r"(?<!\\)&", _RULES.sub("", row)):
            span = _SPAN.fullmatch(cell.strip())
            if lines and (below := _ROWS.search(cell)):  # not in the header
                merged[len(cells)] = (int(below[1]), _plain_latex(cell))
            cells += [_plain_latex(span[2])] * int(span[1]) if span else [_plain_latex(cell)]
            if count + len(cells) > MOST_CELLS:
                raise RunError(f"{path}: more than {MOST_CELLS} cells")
        count += len(cells)
        if any(cells):
            lines.append((number, [_merged_text(merged, *item) for item in enumerate(cells)]))
    return lines


def _tables(text: str) -> Iterator[tuple[int, str, str]]:
    """Where each table begins, its environment, and what is in it."""
    at, unclosed = 0, set()
    while begin := _BEGIN.search(text, at):
        at, kind = begin.end(), begin[1]
        end = -1 if kind in unclosed else text.find(f"\\end{{{kind}}}", at)
        if end < 0:
            unclosed.add(kind)
        else:
            yield begin.start(), kind, text[at:end]
            at = end


def _merged_text(merged: dict[int, tuple[int, str]], column: int, cell: str) -> str:
    """A cell, or the text of a `multirow` above it that spans it, too."""
    count, text = merged.pop(column, (0, ""))
    if count > 1:
        merged[column] = (count - 1, text)
    return text if count and not cell else cell


def _without_arguments(body: str, count: int) -> str:
    """What follows the arguments of an environment, such as the kinds of its columns."""
    depth = 0
    for index, mark in enumerate(body):
        depth += (mark == "{") - (mark == "}")
        count -= mark == "}" and depth == 0
        if count == 0:
            return body[index + 1 :]
    return body


def _plain_latex(cell: str) -> str:
    cell = _HIDDEN.sub("", cell)
    for _ in range(MOST_NESTED):
        cell = RAISED.sub(without_footnote, _SHOWN.sub(r"\1", _NAMED.sub(r"\1", cell)))
    cell = re.sub(r"\\textsuperscript\{([^{}]*)\}", r"\1", cell)
    cell = cell.replace("$", "").replace("~", " ").replace(r"\pm", "±")
    cell = re.sub(
        r"\\(?:bf|it|bfseries|itshape|centering|quad|tiny|scriptsize|scriptstyle|footnotesize|small|,|;|!)(?![A-Za-z])",
        "",
        cell,
    )
    cell = re.sub(r"(?<!\\)[{}]", "", cell)
    cell = re.sub(r"[_^]\s*(?=±)", " ", cell.replace("+-", "±"))
    return re.sub(r"\\([%&_#{}])", r"\1", cell).strip()
