"""What all figures share: their form as plain data for plotly.js, colours, text that is safe to show."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

# Okabe and Ito (2008), "Color Universal Design": told apart under every common form of colour blindness.
# Their black and yellow are left out: one is lost on a dark page, the other on a light one.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
GREY = "#8A8F98"
# Nunez, Anderton and Renslow (2018), PLOS ONE 13(7), e0199239: a scale that the colour-blind see the same.
SCALE = "Cividis"
NAMED = 40  # characters of a label in a figure


@dataclass(frozen=True)
class Figure:
    """A figure: one of plotly (`data`, `layout`) for each combination of the `choices`, the first shown.

    choices: name and options of each switch; `variants` has a key for each combination, in their order.
    headers, rows: the same numbers as a table, for those who cannot see the picture.
    """

    id: str
    title: str
    caption: str
    variants: Mapping[tuple[str, ...], Json]
    choices: Sequence[tuple[str, Sequence[str]]] = ()
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page: paragraphs, then figures; `html` is put in as it is, so it must be escaped.

    place: `top` comes after the answer, `end` before the runs that are left out.
    """

    id: str
    title: str
    paragraphs: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    html: str = ""
    place: str = field(default="end")


def safe(text: str, most: int = NAMED) -> str:
    """Text for a figure: plotly reads tags in it, so they are escaped; long text is cut in its middle."""
    if len(text) > most:
        half = (most - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    shown = html.escape("".join(each if each.isprintable() else " " for each in text), quote=False)
    return shown.replace("%{", "%&#123;")  # which would be filled in where it stands in a template


def plain(text: str) -> str:
    """Text for a figure, whole."""
    return safe(text, 10_000)


def line(place: int) -> Json:
    """The place-th line's colour and dash, told apart without colours too."""
    return {
        "color": COLORS[place % len(COLORS)],
        "dash": DASHES[place // len(COLORS) % len(DASHES)],
        "width": 2,
    }


def symbol(place: int) -> str:
    """The place-th line's marker."""
    return SYMBOLS[place % len(SYMBOLS)]


def faint(color: str, share: float = 0.18) -> str:
    """A `#rrggbb` colour, mostly transparent."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def brief(value: float) -> float:
    """Six digits: more cannot be seen, and pages stay small."""
    return float(f"{value:.6g}")


def layout(x: str, y: str, *, height: int = 420, **more: Any) -> Json:
    """A figure's frame, with titles of the axes; the page sets its colours. For paper as it is."""
    axis = {"automargin": True, "zeroline": False, "gridcolor": "#E3E6EA", "linecolor": "#9AA1AB"}
    found: Json = {
        "height": height,
        "margin": {"l": 60, "r": 16, "t": 16, "b": 50},
        "paper_bgcolor": "rgba(255,255,255,0)",
        "plot_bgcolor": "rgba(255,255,255,0)",
        "font": {
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
            "size": 13,
            "color": "#1F2328",
        },
        "hoverlabel": {"namelength": -1, "align": "left"},
        "xaxis": {**axis, "title": {"text": x}},
        "yaxis": {**axis, "title": {"text": y}},
        "legend": {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0, "font": {"size": 12}},
        "showlegend": False,
    }
    for key, value in more.items():
        found[key] = {**found[key], **value} if isinstance(found.get(key), dict) else value
    return found


def rows_layout(x: str, names: Sequence[str], **more: Any) -> Json:
    """A figure with a row a name, the first one at the top."""
    rows = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(names)[::-1],
        "range": [-0.7, len(names) - 0.3],
        "title": {"text": ""},
        "tickfont": {"size": 12},
    }
    legend = {"y": 1.0, "yanchor": "bottom"}
    height = 120 + 26 * len(names)
    return layout(x, "", height=height, yaxis=rows, showlegend=True, legend=legend, margin={"t": 48}, **more)
