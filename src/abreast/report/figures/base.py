"""What all figures share: their type, colours and line styles, layouts, and text that is safe to show."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from abreast.config.types import Json
from abreast.report.groups import Analysis, Task
from abreast.statistics.comparison import Comparison
from abreast.statistics.summary import Summary

# Okabe and Ito (2008), "Color Universal Design": distinguishable with every common form of colour blindness.
# Their black and yellow are left out: one is invisible on a dark page, the other on a light one.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
GREY = "#8A8F98"
# Nuñez, Anderton and Renslow (2018), PLOS ONE 13(7), e0199239: looks the same with colour blindness.
COLORSCALE = "Cividis"
MOST_CHARACTERS = 40  # of a label in a figure


@dataclass(frozen=True)
class Figure:
    """A figure with all its variants.

    Attributes:
        id: HTML id and file name.
        title: Heading of the figure.
        caption: What it shows and how it was computed.
        variants: Plotly's `data` and `layout` for each combination of the choices, in their order.
        choices: Name and options of each switch; the first options are shown at first.
        headers: Column names of the figure's numbers.
        rows: The figure's numbers as a table, for readers who cannot see the picture.
    """

    id: str
    title: str
    caption: str
    variants: Mapping[tuple[str, ...], Json]
    choices: Sequence[tuple[str, Sequence[str]]] = ()
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()


@dataclass(frozen=True)
class Section:
    """An additional section of the page: paragraphs, a table, figures, HTML, in this order.

    Attributes:
        id: HTML id.
        title: Heading of the section and of its table.
        paragraphs: Plain text.
        figures: Figures with their switches and numbers.
        headers: Column names of the table.
        rows: Rows of the table.
        html: Inserted as it is, so text in it has to be escaped.
        position: `top` is below the summary, `end` above the runs that are not included.
    """

    id: str
    title: str
    paragraphs: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    html: str = ""
    position: Literal["top", "end"] = "end"


@dataclass(frozen=True)
class FigureOptions:
    """What the command line says about figures.

    Attributes:
        target: The level of the validation metric for the figure of time to a target; None: chosen from the
            runs.
    """

    target: float | None = None


# Makes a figure of a task; None where the task has nothing for it to show.
FigureBuilder = Callable[[Task, Analysis, FigureOptions], Figure | None]


def safe_text(text: str, most: int = MOST_CHARACTERS) -> str:
    """Escape text for plotly, which interprets tags in it, and shorten it in the middle.

    Args:
        text: Text of any origin, such as an option's name.
        most: Characters to keep.
    """
    if len(text) > most:
        half = (most - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    printable = "".join(character if character.isprintable() else " " for character in text)
    return html.escape(printable, quote=False).replace("%{", "%&#123;")  # a placeholder in a template


def full_text(text: str) -> str:
    """Escape text for plotly without shortening it."""
    return safe_text(text, 10_000)


def unique_names(names: Sequence[str]) -> list[str]:
    """Number names that occur twice, as shortened ones may: equal names would share a position on an axis.

    >>> unique_names(["adam", "sgd", "adam"])
    ['adam', 'sgd', 'adam (2)']
    """
    counts: dict[str, int] = {}
    result = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return result


def line_style(index: int) -> Json:
    """Return colour, dash and width of the line at an index; the dash tells lines apart without colours."""
    return {
        "color": COLORS[index % len(COLORS)],
        "dash": DASHES[index // len(COLORS) % len(DASHES)],
        "width": 2,
    }


def marker_symbol(index: int) -> str:
    """Return the marker of the line at an index."""
    return SYMBOLS[index % len(SYMBOLS)]


def transparent(color: str, opacity: float = 0.18) -> str:
    """Return a `#rrggbb` colour with an opacity in [0, 1], as `rgba(...)`."""
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def six_digits(value: float) -> float:
    """Round to six significant digits: more are invisible, and the page stays small."""
    return float(f"{value:.6g}")


def scatter(mode: str, **trace: object) -> Json:
    """Make a plotly trace of points.

    Args:
        mode: How they are drawn: `markers`, `lines`, `text` or several, as `lines+markers`.
        trace: The other keys of the trace, such as `x` and `y`.
    """
    return {"type": "scatter", "mode": mode, **trace}


def notes(x: float, rows: Mapping[str, str], color: str) -> Json:
    """Make a trace of small texts that begin at a place of the horizontal axis, by the name of their row."""
    return scatter(
        "text",
        x=[x] * len(rows),
        y=list(rows),
        text=list(rows.values()),
        textposition="middle right",
        textfont={"size": 11, "color": color},
        hoverinfo="skip",
        showlegend=False,
    )


def interval_ends(value: float | None, interval: Summary | Comparison) -> tuple[float, float, float]:
    """The low end of a value's interval, the value, and the high end; the value where there is none."""
    value = value or 0.0
    low, high = interval.low, interval.high
    return value if low is None else low, value, value if high is None else high


def interval_bars(intervals: Iterable[tuple[float, float, float]], **style: object) -> Json:
    """Make plotly's error bars of intervals, each as its low end, its value and its high end."""
    ends = list(intervals)
    return {
        "type": "data",
        "symmetric": False,
        "array": [six_digits(high - value) for _, value, high in ends],
        "arrayminus": [six_digits(value - low) for low, value, _ in ends],
        **style,
    }


def first_choices(few: int, most: int, available: int) -> dict[str, int]:
    """The choices of how many groups are shown: the first few, and as many as the figure can hold.

    >>> first_choices(4, 12, 3), first_choices(4, 12, 20)
    ({'all': 3}, {'first 4': 4, 'first 12': 12})
    """
    shown = min(most, available)
    choices = {f"first {few}": few} if few < shown else {}
    return {**choices, "all" if shown == available else f"first {shown}": shown}


def layout(x_title: str, y_title: str, *, height: int = 420, **changes: object) -> Json:
    """Make a plotly layout, in the colours for print; the page sets its own.

    Args:
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
        height: In pixels.
        changes: Other keys of the layout; dictionaries are merged into the defaults.
    """
    axis = {"automargin": True, "zeroline": False, "gridcolor": "#E3E6EA", "linecolor": "#9AA1AB"}
    result: Json = {
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
        "xaxis": {**axis, "title": {"text": x_title}},
        "yaxis": {**axis, "title": {"text": y_title}},
        "legend": {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0, "font": {"size": 12}},
        "showlegend": False,
    }
    for key, value in changes.items():
        merges = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = {**result[key], **value} if merges else value  # type: ignore[dict-item]
    return result


def rows_layout(x_title: str, names: Sequence[str], **changes: object) -> Json:
    """Make a plotly layout with a row for each name, the first at the top; arguments as of `layout`."""
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
    return layout(
        x_title, "", height=height, yaxis=rows, showlegend=True, legend=legend, margin={"t": 48}, **changes
    )
