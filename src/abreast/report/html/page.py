"""The page: one HTML file that contains everything it shows."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from abreast.report.figures.base import Figure
from abreast.report.html.elements import Part, Table, escaped, part_html
from abreast.runtime.printable import REPLACEMENT, in_order

# Nothing can be fetched, whatever the name of a run or the script says.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath "
    "fill='%230072B2' d='M2 13h3V7H2zM6.5 13h3V3h-3zM11 13h3V9h-3z'/%3E%3C/svg%3E"
)
# plotly.js with lines, markers, bars and heat maps: the version in the package plotly, made by
#   npm pack plotly.js-cartesian-dist-min@VERSION
#   gzip -n9 -c plotly-cartesian.min.js > plotly-cartesian.min.js.gz
PLOTLY = "plotly-cartesian.min.js.gz"
# A control character in JSON, after backslashes that stand for themselves.
CONTROLS = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:[bf]|u00(?:0[0-8bef]|1[0-9a-f]|7f))")
SCRIPTS = ("common.js", "figures.js", "tables.js", "start.js")  # one program, in this order


def page(
    title: str,
    subtitle: str,
    parts: Sequence[Part],
    figures: Sequence[Figure],
    tables: Sequence[Table],
    footer: str,
    reload: int | None = None,
) -> str:
    """Make the page.

    Args:
        title: Heading of the page.
        subtitle: A line below it.
        parts: Its sections, in order.
        figures: The figures that the sections refer to.
        tables: The tables that the sections refer to; one is named `runs`.
        footer: A line at the end.
        reload: Seconds after which the page loads itself again; None: never.

    Returns:
        The HTML document.
    """
    package = files("abreast.report.html")
    style = (package / "page.css").read_text(encoding="utf-8")
    program = "".join((package / name).read_text(encoding="utf-8") for name in SCRIPTS)
    links = "".join(f'<a href="#{escaped(part.id)}">{escaped(part.nav)}</a>' for part in parts if part.nav)
    body = "".join(map(part_html, parts))
    reloads = f' data-reload="{reload}"' if reload else ""
    return f"""<!doctype html>
<html lang="en"{reloads}><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="abreast"><title>{escaped(title)}</title>
<link rel="icon" href="{ICON}"><style>{style}</style></head><body>
<a class="skip" href="#main">Skip to the result</a>
<header class="bar"><div><strong>abreast</strong><nav aria-label="Sections">{links}</nav>
<button type="button" id="theme">Dark</button></div></header>
<main id="main"><h1>{escaped(title)}</h1><p class="soft">{escaped(subtitle)}</p>
<noscript><section><p>The tables and figures on this page require JavaScript; summary.csv and runs.csv in the
same directory contain the numbers.</p></section></noscript>
{body}</main>
<footer>{escaped(footer)}</footer>
<script type="application/json" id="data">{_data(tables)}</script>
<script type="text/plain" id="figures">{_packed(_figures(figures).encode(errors="replace"))}</script>
<script type="text/plain" id="plotly">{_plotly_js()}</script>
<script>"use strict";(() => {{
{program}}})();</script></body></html>
"""


def _plotly_js() -> str:
    """The packed plotly.js, which the script unpacks when the page is open, as base64."""
    return base64.b64encode((files("abreast.report.html") / PLOTLY).read_bytes()).decode()


def _packed(content: bytes) -> str:
    """Content that the script unpacks when the page is open, as base64; the same content gives the same."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _figures(figures: Sequence[Figure]) -> str:
    """The figures as JSON."""
    return _json({figure.id: _figure(figure) for figure in figures})


def _data(tables: Sequence[Table]) -> str:
    """The tables as JSON that is safe inside a script element."""
    content = {
        "tables": {
            table.name: {
                "caption": table.caption,
                "columns": [
                    {
                        "label": column.label,
                        "format": column.format,
                        "title": column.title,
                        "alarming": column.is_alarming,
                    }
                    for column in table.columns
                ],
                "rows": table.rows,
                "select": table.select,
                "classes": table.classes,
                "details": table.details,
                "copies": table.copies,
            }
            for table in tables
        },
    }
    return _json(content).replace("<", "\\u003c")  # which alone could start something else there


def _json(content: Any) -> str:
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError):  # of a value that no run can have, beyond the numbers of JSON
        text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = CONTROLS.sub(rf"\1{REPLACEMENT}", in_order(text))
    return text.encode("utf-8", "replace").decode()  # lone surrogates cannot be encoded


def _figure(figure: Figure) -> dict[str, Any]:
    """A figure's variants, and the traces and layouts they are made of: each only once."""
    traces, layouts = _Pool(), _Pool()
    variants = {
        json.dumps(list(key), ensure_ascii=False, separators=(",", ":")): {
            "data": [traces.number(trace) for trace in variant["data"]],
            "layout": layouts.number(variant["layout"]),
        }
        for key, variant in figure.variants.items()
    }
    return {"traces": traces.values, "layouts": layouts.values, "variants": variants}


class _Pool:
    """Values by number; equal ones share it."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        number = self._numbers.setdefault(json.dumps(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


def _finite(value: Any) -> Any:
    """The content with null in place of numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    is_number = isinstance(value, (int, str)) or value is None
    return value if is_number or (isinstance(value, float) and math.isfinite(value)) else None
