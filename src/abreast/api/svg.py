"""Figures of a report as SVG images, drawn without a browser: for notebooks, where no script may run."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from abreast.config.types import Json

WIDTH, MOST_HEIGHT = 720, 420  # pixels
TEXT = "#1F2328"
DASHES = {"dash": "8 5", "dot": "2 4", "dashdot": "8 4 2 4"}
GAP, LINE, LETTER = 12, 16, 6.6  # pixels: between parts, of a line of text, of a letter
MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """One axis of a figure.

    Attributes:
        pixel: The pixel of a value.
        ticks: Values and their labels.
    """

    pixel: Callable[[Any], float]
    ticks: Sequence[tuple[Any, str]]


def image_html(figure: Json, alt: str) -> str:
    """A figure as an `<img>` that contains it.

    Args:
        figure: Plotly's `data` and `layout`, with lines and markers (type `scatter`).
        alt: What it shows, for those who cannot see it.
    """
    content = base64.b64encode(svg(figure).encode("utf-8", "replace")).decode()
    return f'<img alt="{html.escape(alt)}" style="max-width: 100%" src="data:image/svg+xml;base64,{content}">'


def svg(figure: Json) -> str:
    """A figure of lines and markers as an SVG document; other kinds of traces are left out."""
    traces = [trace for trace in figure["data"] if trace.get("type") == "scatter" and len(trace.get("x", ()))]
    layout = figure["layout"]
    names = list(layout["yaxis"].get("categoryarray") or ())
    legend = [trace for trace in traces if trace.get("name") and trace.get("showlegend", True)]
    rows = _legend_rows(legend) if layout.get("showlegend") else []
    left = GAP + LINE + LETTER * max([7, *(min(40, len(html.unescape(name))) for name in names)])
    top, height = GAP, min(MOST_HEIGHT, int(layout.get("height") or MOST_HEIGHT))
    bottom = height - 3 * LINE
    x = _linear([v for t in traces for v in t["x"]], layout["xaxis"].get("range"), left, WIDTH - GAP)
    if names:
        step = (bottom - top) / len(names)
        places = {name: bottom - (index + 0.5) * step for index, name in enumerate(names)}
        y = Axis(lambda name: places.get(name, bottom), [(name, name) for name in names])
    else:
        y = _linear([v for t in traces for v in t["y"]], layout["yaxis"].get("range"), bottom, top)
    parts = [_frame(x, y, left, top, bottom, layout)]
    before: list[tuple[float, float]] = []
    for trace in traces:
        points = [
            (x.pixel(a), y.pixel(b)) for a, b in zip(trace["x"], trace["y"], strict=True) if _is_drawn(a, b)
        ]
        parts.append(_trace(trace, points, before, x))
        before = points
    for row, entries in enumerate(rows):
        at = float(left)
        for trace in entries:
            line = height + LINE * row + 8
            parts.append(_key(trace, at, line))
            parts.append(_text(at + 30, line + 4, trace["name"]))
            at += _entry_width(trace)
    total = height + LINE * len(rows) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" '
        f'height="{total}" font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">'
        f'<rect width="{WIDTH}" height="{total}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _linear(values: Sequence[float], given: Sequence[float] | None, start: float, end: float) -> Axis:
    """An axis over the values, or over a given range, from one pixel to another."""
    finite = [float(value) for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = map(float, given) if given else (min(finite), max(finite))
    size = max(abs(low), abs(high))
    if not max(1e-9 * size, 1e-300) < high - low < math.inf:  # as good as equal, or too far apart
        low, high = low - max(0.5, 0.01 * size), low + max(0.5, 0.01 * size)
    if not given:
        low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    exact = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(exact))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= exact)
    if all(value.is_integer() for value in finite):
        step = max(1.0, step)  # as of epochs
    first, last = math.ceil(low / step), math.floor(high / step)
    digits = max(0, -math.floor(math.log10(step)))
    ticks = [(index * step, f"{index * step:.{digits}f}") for index in range(first, last + 1)]
    return Axis(lambda value: start + (value - low) / (high - low) * (end - start), ticks)


def _frame(x: Axis, y: Axis, left: float, top: float, bottom: float, layout: Json) -> str:
    """Grid, labels of the ticks, titles of the axes."""
    parts = []
    for value, label in x.ticks:
        at = x.pixel(value)
        parts.append(_line(at, top, at, bottom, "#E3E6EA"))
        parts.append(_text(at, bottom + LINE, label, "middle"))
    for value, label in y.ticks:
        at = y.pixel(value)
        parts.append(_line(left, at, WIDTH - GAP, at, "#E3E6EA"))
        parts.append(_text(left - 6, at + 4, label, "end"))
    titles = [(layout[name].get("title") or {}).get("text") or "" for name in ("xaxis", "yaxis")]
    parts.append(_text((left + WIDTH) / 2, bottom + 2.2 * LINE, titles[0], "middle"))
    middle = (top + bottom) / 2
    rotation = f' transform="rotate(-90 {GAP} {middle:.1f})"'
    return "".join(parts) + (_text(GAP, middle, titles[1], "middle", rotation) if titles[1] else "")


def _trace(
    trace: Json, points: Sequence[tuple[float, float]], before: Sequence[tuple[float, float]], x: Axis
) -> str:
    mode, parts = trace.get("mode", "lines"), []
    if trace.get("fill") in ("toself", "tonexty"):
        outline = [*points, *(reversed(before) if trace["fill"] == "tonexty" else ())]
        parts.append(f'<polygon points="{_points(outline)}" fill="{trace["fillcolor"]}"/>')
    if "lines" in mode:
        style = trace.get("line") or {}
        parts.append(f'<polyline points="{_points(points)}" fill="none" {_stroke(style)}/>')
    bars = trace.get("error_x")
    if bars:
        for value, (_, at), less, more in zip(
            trace["x"], points, bars["arrayminus"], bars["array"], strict=False
        ):
            ends = x.pixel(value - less), x.pixel(value + more)
            width = min(8, bars.get("thickness") or 2)
            parts.append(_line(ends[0], at, ends[1], at, bars.get("color") or "#888", width))
    if "markers" in mode:
        parts += [_marker(trace, *point) for point in points]
    if "text" in mode:
        parts += [_text(*point, text) for point, text in zip(points, trace.get("text", ()), strict=False)]
    return "".join(parts)


def _key(trace: Json, at: float, line: float) -> str:
    """The legend's picture of a trace."""
    style = trace.get("line") or {}
    drawn = (
        f'<path d="M{at:.1f} {line}h24" fill="none" {_stroke(style)}/>' if "lines" in trace["mode"] else ""
    )
    return drawn + (_marker(trace, at + 12, line) if "markers" in trace["mode"] else "")


def _marker(trace: Json, x: float, y: float) -> str:
    marker = trace.get("marker") or {}
    color = marker.get("color") or (trace.get("line") or {}).get("color") or "#888"
    radius = (marker.get("size") or 6) / 2
    if marker.get("symbol") in ("square", "diamond"):
        rotation = f' transform="rotate(45 {x:.1f} {y:.1f})"' if marker["symbol"] == "diamond" else ""
        corner = f'x="{x - radius:.1f}" y="{y - radius:.1f}" width="{2 * radius}" height="{2 * radius}"'
        return f'<rect {corner} fill="{color}"{rotation}/>'
    if marker.get("symbol") == "star":
        arms = [(radius if n % 2 == 0 else 0.45 * radius, math.pi * (n / 5 - 0.5)) for n in range(10)]
        star = [(x + r * math.cos(turn), y + r * math.sin(turn)) for r, turn in arms]
        return f'<polygon points="{_points(star)}" fill="{color}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{color}" stroke="#fff" stroke-width="0.6"/>'


def _legend_rows(traces: Sequence[Json]) -> list[list[Json]]:
    """The traces of a legend in lines that fit."""
    rows: list[list[Json]] = []
    remaining = 0.0
    for trace in traces:
        if not rows or remaining < _entry_width(trace):
            rows.append([])
            remaining = WIDTH - 10 * LETTER
        rows[-1].append(trace)
        remaining -= _entry_width(trace)
    return rows


def _entry_width(trace: Json) -> float:
    return 46 + LETTER * len(html.unescape(trace["name"]))


def _stroke(style: Json) -> str:
    dash = DASHES.get(style.get("dash", ""))
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'stroke="{style.get("color") or "none"}" stroke-width="{style.get("width", 2)}"{dashed}'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: float = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    shown = html.escape(html.unescape(str(text).replace("<br>", " ")))  # figures escape their text for plotly
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{shown}</text>'


def _is_drawn(x: Any, y: Any) -> bool:
    return all(isinstance(value, str) or math.isfinite(value) for value in (x, y))
