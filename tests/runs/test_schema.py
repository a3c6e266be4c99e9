"""What JSON files of a run may hold: values of other types are named, and left out."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, TypedDict

import pytest

from abreast.report.html.worst_images import worst_images
from abreast.runs.schema import WorstFile, fits, typed


class Example(TypedDict, total=False):
    count: int
    share: float
    name: str
    rows: list[list[int]] | None
    counts: dict[str, int]
    anything: Any


GOOD = [
    {},
    {"count": 0, "share": 1, "name": "", "rows": None, "counts": {}, "anything": [None]},
    {"count": -(10**200), "share": -1.5, "rows": [[1], []], "counts": {"a": 1}, "more": object()},
]
BAD: list[tuple[str, list[Any]]] = [
    ("count", [1.0, True, None, "1", [], 10**300]),
    ("share", [float("nan"), float("inf"), 10**400, True, None, "0.5"]),
    ("name", [1, None, ["a"]]),
    ("rows", [0, [1], [[1.5]], [["1"]], {}, ""]),
    ("counts", [[], {"a": 1.5}, {"a": None}, 3]),
]
PAIRS = [(key, value) for key, values in BAD for value in values]


@pytest.mark.parametrize("content", GOOD)
def test_what_fits_is_kept(content: dict[str, Any]) -> None:
    assert typed(content, Example) == (content, [])


@pytest.mark.parametrize(("key", "value"), PAIRS)
def test_what_does_not_fit_is_named_and_left_out(key: str, value: Any) -> None:
    kept, (problem,) = typed({key: value, "anything": 1}, Example)
    assert kept == {"anything": 1}
    assert problem.startswith(f"{key} is ")
    assert len(problem) < 120


IMAGE = {"example": 1, "label": 0, "prediction": 0, "probability": 0.5, "confidence": 0.5}
PNG = base64.b64encode(b"\x89PNG and more").decode()
WORST: dict[str, Any] = {"classes": ["a"], "height": 1, "width": 1, "images": [IMAGE], "png": PNG}


@pytest.mark.parametrize(
    "change",
    [
        {"height": float("inf")},
        {"height": 10**25},
        {"width": None},
        {"classes": 3},
        {"images": [3]},
        {"images": [{**IMAGE, "label": 7}]},
        {"images": [{**IMAGE, "probability": 10**299}]},
        {"images": [{name: value for name, value in IMAGE.items() if name != "label"}]},
        {"png": "P6 3 3 255"},
        {"png": base64.b64encode(b"P6 3 3 255").decode()},
    ],
)
def test_images_that_cannot_be_shown(change: dict[str, Any], tmp_path: Path) -> None:
    assert fits(WORST, WorstFile)
    (tmp_path / "worst.json").write_text(json.dumps(WORST))
    assert "<ul" in worst_images(tmp_path)
    (tmp_path / "worst.json").write_text(json.dumps({**WORST, **change}))
    page = worst_images(tmp_path)
    assert page == "" or "1e+299" in page
