"""The page: one HTML file with everything in it, that loads nothing from anywhere."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from abreast.report.figures.base import Figure, Section

# Nothing may be fetched, whatever a run's name or the script says.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath "
    "fill='%230072B2' d='M2 13h3V7H2zM6.5 13h3V3h-3zM11 13h3V9h-3z'/%3E%3C/svg%3E"
)


@dataclass(frozen=True)
class Column:
    """A column of a table that can be sorted and filtered: `format` is text, number, count, p or seconds."""

    label: str
    format: str = "text"
    title: str = ""
    bad: bool = False  # what is not zero is marked


@dataclass(frozen=True)
class Table:
    """Rows of text, numbers and None. select: the column to choose from. details: the runs of each row."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    select: int | None = None
    classes: Sequence[str] | None = None
    details: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class Part:
    """A section of the page and what stands in it, in order; `body` is HTML."""

    id: str
    title: str
    short: str  # in the bar; empty: not there
    body: str
    kind: str = ""


def escaped(text: object) -> str:
    """Text for HTML, attributes too."""
    return html.escape(str(text))


def paragraphs(lines: Sequence[str]) -> str:
    """Each line a paragraph."""
    return "".join(f"<p>{escaped(line)}</p>" for line in lines)


def section_part(section: Section) -> Part:
    """A section that was handed in, as a part of the page."""
    body = paragraphs(section.paragraphs)
    if section.rows:
        body += static_table(section.headers, section.rows, section.title)
    body += "".join(figure_html(figure) for figure in section.figures) + section.html
    return Part(section.id, section.title, section.title, body)


def static_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> str:
    """A small table as it is."""
    head = "".join(f'<th scope="col">{escaped(each)}</th>' for each in headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaped('' if each is None else each)}</td>" for each in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}"><table>'
        f"<caption>{escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def table_html(table: Table) -> str:
    """The place of a table, which the script fills."""
    return f'<div data-table="{escaped(table.name)}"></div>'


def figure_html(figure: Figure, *, heading: bool = True) -> str:
    """A figure with its switches, its caption, its downloads, and its numbers as a table."""
    name = escaped(figure.id)
    switches = []
    for place, (title, options) in enumerate(figure.choices):
        if len(options) < 1:
            continue
        radios = "".join(
            f'<label><input type="radio" name="{name}-{place}" value="{escaped(option)}"'
            f"{' checked' if at == 0 else ''}><span>{escaped(option)}</span></label>"
            for at, option in enumerate(options)
        )
        hidden = ' class="hidden"' if len(options) == 1 else ""
        switches.append(f"<fieldset{hidden}><legend>{escaped(title)}</legend>{radios}</fieldset>")
    tools = f'<div class="tools">{"".join(switches)}</div>' if switches else ""
    title = f"<h3>{escaped(figure.title)}</h3>" if heading else ""
    numbers = ""
    if figure.rows:
        table = static_table(figure.headers, figure.rows, figure.title)
        numbers = f"<details><summary>The numbers of this figure</summary>{table}</details>"
    height = next(iter(figure.variants.values()))["layout"].get("height", 420)
    shown = (
        f'<div class="plot" data-figure="{name}" role="img" aria-label="{escaped(figure.title)}" '
        f'aria-describedby="{name}-caption" style="min-height:{int(height)}px"></div>'
    )
    return (
        f'{title}<figure id="{name}"><figcaption id="{name}-caption">{escaped(figure.caption)}</figcaption>'
        f'{tools}<div class="scroll">{shown}</div>'
        '<div class="tools"><button type="button" data-format="svg">SVG</button>'
        f'<button type="button" data-format="png">PNG</button></div>{numbers}</figure>'
    )


def page(
    title: str,
    subtitle: str,
    parts: Sequence[Part],
    figures: Sequence[Figure],
    tables: Sequence[Table],
    foot: str,
) -> str:
    """The whole page."""
    own = files("abreast.report.html")
    style = (own / "page.css").read_text(encoding="utf-8")
    script = (own / "page.js").read_text(encoding="utf-8")
    links = "".join(
        f'<a href="#{escaped(each.id)}">{escaped(each.short)}</a>' for each in parts if each.short
    )
    body = "".join(_section(each) for each in parts)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="abreast"><title>{escaped(title)}</title>
<link rel="icon" href="{ICON}"><style>{style}</style></head><body>
<a class="skip" href="#main">To the answer</a>
<header class="bar"><div><strong>abreast</strong><nav aria-label="Parts of the page">{links}</nav>
<button type="button" id="theme">Dark</button></div></header>
<main id="main"><h1>{escaped(title)}</h1><p class="soft">{escaped(subtitle)}</p>
<noscript><section><p>The tables and figures of this page need JavaScript; summary.csv and runs.csv beside it
hold the numbers.</p></section></noscript>
{body}</main>
<footer>{escaped(foot)}</footer>
<script type="application/json" id="data">{_data(figures, tables)}</script>
<script>{plotly_js()}</script>
<script>{script}</script></body></html>
"""


def _section(part: Part) -> str:
    name = escaped(part.id)
    return (
        f'<section id="{name}" class="{escaped(part.kind)}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escaped(part.title)}</h2>{part.body}</section>'
    )


def plotly_js() -> str:
    """plotly.js, as its Python package ships it."""
    import plotly

    script = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return script.replace("</script", "<\\/script")


def _data(figures: Sequence[Figure], tables: Sequence[Table]) -> str:
    content = {
        "figures": {
            each.id: {
                json.dumps(list(key), ensure_ascii=False, separators=(",", ":")): variant
                for key, variant in each.variants.items()
            }
            for each in figures
        },
        "tables": {
            each.name: {
                "caption": each.caption,
                "columns": [
                    {"label": c.label, "format": c.format, "title": c.title, "bad": c.bad}
                    for c in each.columns
                ],
                "rows": each.rows,
                "select": each.select,
                "classes": each.classes,
                "details": each.details,
            }
            for each in tables
        },
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # In a script element only "<" could begin something else; lone surrogates have no UTF-8.
    return text.replace("<", "\\u003c").encode("utf-8", "replace").decode()
