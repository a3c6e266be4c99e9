"""The table of a page of HTML as cells, such as pandas' `to_html` and saved pages hold it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from abreast.errors import RunError
from abreast.report.readers.footnotes import LOWERED, without_raised

MOST_CELLS = 1_000_000
MOST_SPAN = 1_000
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9:-]{0,30})|<[!?]")
_QUOTE = re.compile(r"=\s{0,9}([\"'])")
_SPANS = re.compile(r"(?<![\w-])(colspan|rowspan)\s{0,9}=\s{0,9}[\"']?\s{0,9}(\d{1,9})", re.IGNORECASE)
# Tags that only set the font; any other separates what is before it from what is after it.
_FONTS = frozenset(("b", "strong", "i", "em", "u", "font", "mark", "tt", "code", "big", "bdi", "wbr"))


def html_cells(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """The lines of the only table that has rows: each with its number in the file, and its cells.

    Cells that span several columns or rows have their text in each of them.

    Raises:
        RunError: There is no table, or several, or the file ends within a tag; the message names the file.
    """
    reader = _Reader()
    for line, tag, inside in _tokens(text, path):
        reader.read(line, tag, inside)
    reader.read(0, "/table", "")
    tables = [table for table in reader.tables if len(table) > 1]
    if len(tables) != 1:
        raise RunError(f"{path}: holds {len(tables) or 'no'} tables with rows. Give a file with one")
    return _without_spans(tables[0], path)


def _tokens(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    """The line, name and attributes of each tag, `/td` for an end; texts have no name. In linear time."""
    at, line = 0, 1
    while at < len(text):
        tag = _TAG.search(text, at)
        start = tag.start() if tag else len(text)
        if start > at:
            yield line, "", _unescaped(text[at:start], path, line)
            line += text.count("\n", at, start)
        if tag is None:
            return
        name = (tag[1] or "").lower()
        if text.startswith("<!--", start):
            at = _after(text.find("-->", start + 2), 3, path, line)
        elif not name:
            at = _after(text.find(">", start), 1, path, line)
        else:
            at = _after(_end_of_tag(text, tag.end()), 1, path, line)
            is_end = text[start + 1] == "/"
            yield line, f"/{name}" if is_end else name, text[tag.end() : at]
            if name in ("script", "style") and not is_end:
                end = re.compile(f"</{name}", re.IGNORECASE).search(text, at)
                at = _after(end.start() if end else -1, 0, path, line)
        line += text.count("\n", start, at)


def _after(end: int, length: int, path: Path, line: int) -> int:
    if end < 0:
        raise RunError(f"{path}: line {line}: nothing closes a tag or comment. Save the page again")
    return end + length


def _end_of_tag(text: str, at: int) -> int:
    """Where the `>` of a tag is, behind its quoted values; -1 if nowhere."""
    end = text.find(">", at)
    while end >= 0 and (quote := _QUOTE.search(text, at, end)):
        close = text.find(quote[1], quote.end())
        if close < 0:
            break
        at = close + 1
        end = text.find(">", at) if end < at else end
    return end


def _unescaped(text: str, path: Path, line: int) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number of thousands of digits
        raise RunError(f"{path}: line {line}: a character cannot be read") from None


class _Reader:
    """Collects the rows of each table: the line of a row, and of each cell its text and spans."""

    def __init__(self) -> None:
        self.tables: list[list[tuple[int, list[tuple[str, int, int]]]]] = []
        self.open: list[int] = []  # tables inside one another
        self.cell: list[str] | None = None
        self.spans = (1, 1)

    def read(self, line: int, tag: str, inside: str) -> None:
        if tag.lstrip("/") in ("table", "tr", "td", "th"):
            self._end_cell()
        if tag == "table":
            self.tables.append([])
            self.open.append(len(self.tables) - 1)
        elif tag == "/table" and self.open:
            self.open.pop()
        elif tag == "tr" and self.open:
            self.tables[self.open[-1]].append((line, []))
        elif tag in ("td", "th") and self.open and self.tables[self.open[-1]]:
            spans = {name.lower(): int(count) for name, count in _SPANS.findall(inside)}
            columns, rows = (min(MOST_SPAN, max(1, spans.get(f"{of}span", 1))) for of in ("col", "row"))
            self.cell, self.spans = [], (columns, rows)
        elif self.cell is not None and tag.lstrip("/") not in _FONTS:
            is_script = tag.lstrip("/") in ("sup", "sub")
            self.cell.append((f"<{tag}>" if is_script else " ") if tag else inside)

    def _end_cell(self) -> None:
        if self.cell is not None and self.open:
            text = without_raised(" ".join("".join(self.cell).split()))
            text = " ".join(LOWERED.sub(" ", text).split())
            self.tables[self.open[-1]][-1][1].append((text, *self.spans))
        self.cell = None


def _without_spans(
    table: list[tuple[int, list[tuple[str, int, int]]]], path: Path
) -> list[tuple[int, list[str]]]:
    lines: list[tuple[int, list[str]]] = []
    below: dict[int, tuple[str, int]] = {}  # by column: the text of a cell above, and for how many rows still
    count = 0
    for number, row in table:
        cells: list[str] = []
        waiting = list(reversed(row))
        while waiting or len(cells) in below:
            if count + len(cells) > MOST_CELLS:
                raise RunError(f"{path}: more than {MOST_CELLS} cells")
            at = len(cells)
            if at in below:
                text, left = below.pop(at)
                cells.append(text)
                if left > 1:
                    below[at] = (text, left - 1)
                continue
            text, columns, rows = waiting.pop()
            for _ in range(columns):
                if rows > 1:
                    below[len(cells)] = (text, rows - 1)
                cells.append(text)
        count += len(cells)
        if any(cells):
            lines.append((number, cells))
    return lines
