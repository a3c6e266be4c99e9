"""The parts of the page as HTML: sections, tables and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from abreast.report.figures.base import Figure, Section
from abreast.runtime.printable import in_order

Format = Literal["text", "number", "difference", "count", "share", "p", "seconds"]


@dataclass(frozen=True)
class Column:
    """A column of an interactive table.

    Attributes:
        label: Its heading.
        format: How the script writes its numbers; columns other than `text` are aligned to the right.
        title: Its tooltip.
        is_alarming: Whether values other than 0 are highlighted.
    """

    label: str
    format: Format = "text"
    title: str = ""
    is_alarming: bool = False


@dataclass(frozen=True)
class Table:
    """A table that the script fills, and that can be sorted, filtered and turned page by page.

    Attributes:
        name: Key of its data in the page.
        caption: What a row is.
        columns: Its columns.
        rows: Text, numbers, and None for empty cells; as many in a row as there are columns.
        select: Index of the column to filter by a list of its values; None: no such filter.
        classes: CSS class of each row.
        details: For each row the indices of its runs in the table of runs.
        copies: The table as text to copy, by the name of the markup.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    select: int | None = None
    classes: Sequence[str] | None = None
    details: Sequence[Sequence[int]] | None = None
    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
        id: HTML id.
        title: Heading.
        nav: Its link in the navigation bar; empty: no link.
        body: HTML.
        css_class: CSS class of the section.
    """

    id: str
    title: str
    nav: str
    body: str
    css_class: str = ""


def escaped(text: object) -> str:
    """Escape text for HTML, including attributes; what hides its order is replaced."""
    return html.escape(in_order(str(text)))


def paragraphs(lines: Sequence[str]) -> str:
    """Make a paragraph of each line of plain text."""
    return "".join(f"<p>{escaped(line)}</p>" for line in lines)


def part_html(part: Part) -> str:
    """Make the section element of a part."""
    name = escaped(part.id)
    return (
        f'<section id="{name}" class="{escaped(part.css_class)}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escaped(part.title)}</h2>{part.body}</section>'
    )


def section_part(section: Section) -> Part:
    """Make a part of the page from an additional section."""
    body = paragraphs(section.paragraphs)
    if section.rows:
        body += static_table(section.headers, section.rows, section.title)
    body += "".join(figure_html(figure) for figure in section.figures) + section.html
    return Part(section.id, section.title, section.title, body)


def static_table(headers: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> str:
    """Make a table without sorting and filtering."""
    head = "".join(f'<th scope="col">{escaped(header)}</th>' for header in headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaped('' if cell is None else cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}"><table>'
        f"<caption>{escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def table_html(table: Table) -> str:
    """Make the element that the script fills with an interactive table."""
    return f'<div data-table="{escaped(table.name)}"></div>'


def figure_html(figure: Figure, *, heading: bool = True) -> str:
    """Make a figure with caption, switches, download buttons, and its numbers as a table."""
    name = escaped(figure.id)
    title = f"<h3>{escaped(figure.title)}</h3>" if heading else ""
    numbers = ""
    if figure.rows:
        table = static_table(figure.headers, figure.rows, f"Numbers of: {figure.title}")
        numbers = f"<details><summary>Numbers of this figure</summary>{table}</details>"
    height = next(iter(figure.variants.values()))["layout"].get("height", 420)
    plot = (
        f'<div class="plot" data-figure="{name}" role="group" aria-label="{escaped(figure.title)}" '
        f'aria-describedby="{name}-caption" style="min-height:{int(height)}px"></div>'
    )
    return (
        f'{title}<figure id="{name}"><figcaption id="{name}-caption">{escaped(figure.caption)}</figcaption>'
        f'{_switches(figure)}<div class="scroll">{plot}</div>'
        '<div class="tools"><button type="button" data-format="svg">SVG</button>'
        f'<button type="button" data-format="png">PNG</button></div>{numbers}</figure>'
    )


def _switches(figure: Figure) -> str:
    """A group of radio buttons for each choice; those with a single option are hidden."""
    name = escaped(figure.id)
    switches = []
    for index, (title, options) in enumerate(figure.choices):
        if not options:
            continue
        radios = "".join(
            f'<label><input type="radio" name="{name}-{index}" value="{escaped(option)}"'
            f"{' checked' if position == 0 else ''}><span>{escaped(option)}</span></label>"
            for position, option in enumerate(options)
        )
        hidden = ' class="hidden"' if len(options) == 1 else ""
        switches.append(f"<fieldset{hidden}><legend>{escaped(title)}</legend>{radios}</fieldset>")
    return f'<div class="tools">{"".join(switches)}</div>' if switches else ""
