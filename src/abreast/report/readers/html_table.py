"""The table of a page of HTML as cells, such as pandas' `to_html` and saved pages hold it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from abreast.errors import RunError

MOST_CELLS = 1_000_000
MOST_SPAN = 1_000


def html_cells(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """The lines of the only table that has rows: each with its number in the file, and its cells.

    Cells that span several columns or rows have their text in each of them.

    Raises:
        RunError: There is no table, or there are several; the message names the file.
    """
    reader = _Reader(path)
    reader.feed(text)
    reader.close()
    tables = [table for table in reader.tables if len(table) > 1]
    if len(tables) != 1:
        raise RunError(f"{path}: holds {len(tables) or 'no'} tables with rows. Give a file with one")
    return _without_spans(tables[0], path)


class _Reader(HTMLParser):
    """Collects the rows of each table: the line of a row, and of each cell its text and spans."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.tables: list[list[tuple[int, list[tuple[str, int, int]]]]] = []
        self.open: list[int] = []  # tables inside one another
        self.cell: list[str] | None = None
        self.spans = (1, 1)
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._end_cell()
            self.tables.append([])
            self.open.append(len(self.tables) - 1)
        elif tag in ("script", "style", "sup"):
            self.hidden += 1
        elif self.open and tag == "tr":
            self._end_cell()
            self.tables[self.open[-1]].append((self.getpos()[0], []))
        elif self.open and tag in ("td", "th") and self.tables[self.open[-1]]:
            self._end_cell()
            given = dict(attrs)
            columns, rows = (_span(given.get(name)) for name in ("colspan", "rowspan"))
            self.cell, self.spans = [], (columns, rows)
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()
        if tag == "table" and self.open:
            self.open.pop()
        elif tag in ("script", "style", "sup"):
            self.hidden = max(0, self.hidden - 1)

    def handle_data(self, data: str) -> None:
        if self.cell is not None and not self.hidden:
            self.cell.append(data)

    def _end_cell(self) -> None:
        if self.cell is not None and self.open:
            text = " ".join("".join(self.cell).split())
            self.tables[self.open[-1]][-1][1].append((text, *self.spans))
        self.cell = None


def _span(text: str | None) -> int:
    return min(MOST_SPAN, max(1, int(text))) if text is not None and text.isdecimal() else 1


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
