"""The lines of a table as cells: delimited or aligned text, Markdown, LaTeX, and records of JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from abreast.errors import RunError
from abreast.report.readers.footnotes import without_raised
from abreast.report.readers.foreign_run import as_number, flat
from abreast.report.readers.html_table import html_cells
from abreast.report.readers.json_records import parse_records, records
from abreast.report.readers.latex_table import is_latex, latex_cells
from abreast.report.readers.table_text import bare_name

MOST_ROWS, MOST_COLUMNS = 1_000_000, 2_000
MOST_CELLS = 20_000_000  # of records, each of which may have keys that no other has
MOST_HEADER = 10_000  # characters of a column's name
DELIMITERS = ",;\t|"
Line = tuple[int, list[str]]  # its number in the file, from 1, and its cells

_RULE = re.compile(r":?-{2,}:?|:-:?|-:")
_BARS = str.maketrans("┃│║", "|||")
_DRAWN = re.compile(r"[\s|+:]*(?:[-=]{3}|[\u2500-\u257f]{2})[\s|+:=\-\u2500-\u257f]*")
_NOTE = re.compile(  # a run may be called `Source only` or `Best`
    r"(\*|†|‡|§|[\[(]?\d+ rows?\b|(notes?|sources?|legend|table|best|values?|all)\b([^:]*:|(\s+\S+){5})).*",
    re.IGNORECASE | re.DOTALL,
)


def table_cells(text: str, path: Path, metric: str | None = None) -> tuple[list[Line], list[str]]:
    """The lines that have cells, the header first; titles above it and notes below the table are left out.

    Args:
        text: What the file holds.
        path: The file.
        metric: A result, whatever its name.

    Returns:
        The lines, and the notes.

    Raises:
        RunError: It is no table, or several; the message names the file.
    """
    name = bare_name(path)
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return list(_records(text, path, metric)), []
    if name.endswith((".html", ".htm")):
        lines = html_cells(text, path)
    elif is_latex(text):
        lines = latex_cells(text, path)
    elif any(map(_is_separator, text.splitlines()[1:])):
        lines = _markdown(text, path)
    else:
        lines = _delimited(without_rules(text), path)
    lines = _without_titles(_without_empty_columns(lines))
    if lines and (length := max(map(len, lines[0][1]), default=0)) > MOST_HEADER:
        raise RunError(f"{path}: line {lines[0][0]}: the name of a column has {length} characters")
    return _without_notes(lines)


def _records(text: str, path: Path, metric: str | None) -> Iterator[Line]:
    content = parse_records(text, path)
    table = records(content, metric) or ([content] if isinstance(content, Mapping) else None)
    if table is None:
        raise RunError(f"{path}: holds no list of records, one for each run")
    rows = [flat(record) for record in table[:MOST_ROWS]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if len(columns) > MOST_COLUMNS or len(rows) * len(columns) > MOST_CELLS:
        raise RunError(
            f"{path}: {len(rows)} records with {len(columns)} different keys. A table may have "
            f"{MOST_COLUMNS} columns and {MOST_CELLS} cells: give a file with fewer"
        )
    yield 1, columns
    for number, row in enumerate(rows, 1):
        values = (row.get(column) for column in columns)
        yield number, ["" if value is None else str(value) for value in values]


def _markdown(text: str, path: Path) -> list[Line]:
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(text.splitlines(), 1):
        if "|" in line:
            blocks[-1].append((number, line.strip()))
        elif blocks[-1]:
            blocks.append([])
    tables = [block for block in blocks if len(block) > 1 and _is_separator(block[1][1])]
    if len(tables) != 1:
        raise RunError(f"{path}: holds {len(tables) or 'no'} tables with a header. Give a file with one")
    return [
        (number, [_plain_markdown(cell) for cell in re.split(r"(?<!\\)\|", _inner(line))])
        for number, line in [tables[0][0], *tables[0][2:]]
    ]


def _is_separator(line: str) -> bool:
    """Whether a line is what Markdown has below a header: `|--|:-:|`."""
    line = line.strip()
    if line.strip("|-: \t") or "|" not in line.removeprefix("|"):
        return False
    return all(_RULE.fullmatch(cell.strip()) for cell in _inner(line).split("|"))


def _inner(line: str) -> str:
    return line.removeprefix("|").removesuffix("|")


def _plain_markdown(cell: str) -> str:
    cell = re.sub(r"<br\b[^<>]*>", " ", cell.replace(r"\|", "|"), flags=re.IGNORECASE)
    cell = re.sub(r"!?\[([^\[\]]*)\]\([^()\s]*\)", r"\1", cell)  # links
    cell = re.sub(r"`|<(?!/?su[bp]\b)[^<>]*>", "", cell, flags=re.IGNORECASE)
    return re.sub(r"<[^<>]*>", "", without_raised(cell)).strip()


def _delimited(text: str, path: Path) -> list[Line]:
    skipped, text = _without_comments(text)
    if text[:5].lower().startswith("sep="):  # of Excel
        skipped, text = skipped + 1, text.partition("\n")[2]
    heads = (line for line in text.splitlines() if any(mark in line for mark in DELIMITERS))
    head = next(heads, "")
    if not head:
        return [(number + skipped, cells) for number, cells in _aligned(text)]
    delimiter = max(DELIMITERS, key=head.count)
    lines: list[Line] = []
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True, skipinitialspace=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((reader.line_num + skipped, [cell.strip() for cell in cells]))
            if len(lines) > MOST_ROWS:
                raise RunError(f"{path}: more than {MOST_ROWS} rows")
    except csv.Error as error:
        raise RunError(f"{path}: not a CSV file ({error})") from None
    return lines


def without_rules(text: str) -> str:
    """The text of a table that a terminal showed: without lines that are drawn, and bars around its rows.

    >>> without_rules("+---+-----+\\n| m | acc |\\n+===+=====+\\n| a | 0.9 |\\n+---+-----+").split("\\n")
    ['', ' m | acc ', '', ' a | 0.9 ', '']
    """
    lines = ["" if _DRAWN.fullmatch(line) else line for line in text.translate(_BARS).split("\n")]
    filled = [line.strip() for line in lines if line.strip()]
    if filled and all(len(line) > 1 and line[0] == line[-1] == "|" for line in filled):
        lines = [line.strip()[1:-1] for line in lines]
    return "\n".join(lines)


def _aligned(text: str) -> list[Line]:
    """Columns that blanks separate: two or more, if that makes each line alike, else any."""
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    wide = [(number, re.split(r"\s{2,}", line)) for number, line in numbered]
    if len({len(cells) for _, cells in wide}) == 1 and len(wide[0][1]) > 1:
        return wide
    return [(number, _words(line)) for number, line in numbered]


def _words(line: str) -> list[str]:
    """What single blanks separate; blanks within a pair of quotes do not."""
    if '"' in line:
        try:
            return next(csv.reader([line], delimiter=" ", skipinitialspace=True, strict=True))
        except csv.Error:  # a quote that nothing closes
            pass
    return [word for word in line.split(" ") if word]


def _without_comments(text: str) -> tuple[int, str]:
    """How many lines of comments are before the header, and the text from the header on."""
    lines = text.splitlines(keepends=True)
    count = 0
    while count < len(lines) and lines[count].lstrip().startswith(("#", "%")):
        count += 1
    if 0 < count < len(lines):  # NumPy writes the header itself as a comment
        last = lines[count - 1].lstrip().lstrip("#% ")
        delimiter = max(DELIMITERS, key=lines[count].count)
        is_header = lines[count].count(delimiter) == last.count(delimiter) > 0
        if is_header and any(as_number(cell) is not None for cell in lines[count].split(delimiter)):
            return count - 1, "".join([last, *lines[count:]])
    return count, "".join(lines[count:])


def _without_empty_columns(lines: Sequence[Line]) -> list[Line]:
    """Without the columns at the end that nothing is in, as spreadsheets write them."""
    width = max((index + 1 for _, cells in lines for index, cell in enumerate(cells) if cell), default=0)
    return [(number, cells[:width] if not any(cells[width:]) else cells) for number, cells in lines]


def _without_titles(lines: Sequence[Line]) -> list[Line]:
    """Without lines above the header that have one cell, the first."""
    start = 0
    width = max((len(cells) for _, cells in lines), default=0)
    while width > 1 and start < len(lines) - 1 and lines[start][1][0] and not any(lines[start][1][1:]):
        start += 1
    return list(lines[start:])


def _without_notes(lines: Sequence[Line]) -> tuple[list[Line], list[str]]:
    """Without lines below the table that have one cell, and say that they are notes; and these."""
    end = len(lines)
    width = len(lines[0][1]) if lines else 0
    while width > 1 and end > 1 and not any(lines[end - 1][1][1:]) and _NOTE.fullmatch(lines[end - 1][1][0]):
        end -= 1
    return list(lines[:end]), [cells[0] for _, cells in lines[end:]]
