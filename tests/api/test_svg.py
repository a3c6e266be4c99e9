"""Figures drawn as SVG: every line and marker of the figure, at its place."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from abreast.api.svg import svg

SPACE = "{http://www.w3.org/2000/svg}"


def figure(**trace: Any) -> dict[str, Any]:
    axes = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": "loss <&>"}}}
    line = {"type": "scatter", "mode": "lines+markers", "name": "a &lt; b", "line": {"color": "#0072B2"}}
    return {"data": [{**line, **trace}], "layout": {**axes, "height": 400, "showlegend": True}}


def test_lines_and_markers_stand_at_their_values() -> None:
    root = ET.fromstring(svg(figure(x=[0, 5, 10], y=[1.0, 0.5, 0.0])))
    circles = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter(f"{SPACE}circle")][:3]
    (x0, y0), (x1, y1), (x2, y2) = circles
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)
    assert x0 < x1
    assert y0 < y1  # a higher value is further up
    texts = [text.text for text in root.iter(f"{SPACE}text")]
    assert {"epoch", "loss <&>", "a < b", "0", "10", "0.0", "1.0"} <= {*texts}


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1], [2.0]),
        ([1, 2], [3.0, 3.0]),
        ([1, 2], [float("nan"), 1.0]),
        ([], []),
        ([1e-9], [1e12]),
        ([1, 2], [1e308, -1e308]),
        ([1, 2], [0.0, 5e-324]),
    ],
)
def test_few_or_equal_values_are_drawn_too(x: list[float], y: list[float]) -> None:
    ET.fromstring(svg(figure(x=x, y=y)))
