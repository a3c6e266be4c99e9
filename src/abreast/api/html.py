"""What notebooks show of a result: a table, sentences, images."""

from __future__ import annotations

import html
from collections.abc import Sequence

from abreast.report.figures.base import Figure
from abreast.report.group_cells import group_cells
from abreast.report.groups import Analysis, Task
from abreast.report.text import findings, headline
from abreast.runtime.printable import printable

MOST_ROWS = 20
CELL = "text-align: left; padding: 2px 12px 2px 0"


def escaped(text: object) -> str:
    """Text of any origin, safe to stand in HTML."""
    return html.escape(printable(str(text)))


def table_html(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; rows beyond the first `MOST_ROWS` are counted."""
    head = "".join(f'<th style="{CELL}">{escaped(name)}</th>' for name in headers)
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL}">{escaped(cell)}</td>' for cell in row) + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = f"<p>… {len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def paragraphs_html(lines: Sequence[str], *, first_is_bold: bool = False) -> str:
    """A paragraph for each line."""
    return "".join(
        f"<p><b>{escaped(line)}</b></p>" if first_is_bold and number == 0 else f"<p>{escaped(line)}</p>"
        for number, line in enumerate(lines)
    )


def task_html(task: Task, analysis: Analysis) -> str:
    """What the terminal shows of a task: the result in sentences, the table of groups."""
    sentences = [headline(task, analysis), *findings(task, analysis)]
    headers, rows, _ = group_cells(task, analysis)
    title = f"<h4>{escaped(task.label)}</h4>" if task.label else ""
    return title + paragraphs_html(sentences, first_is_bold=True) + table_html(headers, rows)


def figure_html(figure: Figure | None) -> str:
    """The first variant of a figure with its caption; nothing without one."""
    if figure is None:
        return ""
    from abreast.api.svg import image_html

    caption = f'<figcaption style="font-size: 85%">{escaped(figure.caption)}</figcaption>'
    image = image_html(next(iter(figure.variants.values())), figure.title)
    return f"<figure>{image}{caption}</figure>"
