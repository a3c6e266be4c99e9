"""The notebooks of docs/ run from top to bottom in a kernel, and show what their pages show."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.helpers import ROOT

NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))
assert NOTEBOOKS
ESCAPE = "\x1b"
# What differs between two machines: speed, times, the last digits of metrics.
NUMBER = re.compile(r"-?\d[\d.,]*(e-?\d+)?")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "scripts" / "execute_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(notebook: Any) -> list[list[dict[str, Any]]]:
    """The outputs of each cell with code."""
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text(output: dict[str, Any]) -> str:
    """What an output says to a reader without HTML."""
    return "".join(output.get("text", output.get("data", {}).get("text/plain", "")))


def results(cell: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The values that a cell shows, without what it prints."""
    return [output for output in cell if output["output_type"] == "execute_result"]


def words(output: dict[str, Any], folder: str = "") -> list[str]:
    """What an output says, without the numbers."""
    return NUMBER.sub("#", text(output).replace(folder, "")).split()


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_its_page_shows(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's client, about its sockets
        executed = outputs(script().execute(path, tmp_path))
    kept = outputs(json.loads(path.read_text()))
    assert len(executed) == len(kept) > 5
    for output in itertools.chain(*executed):
        assert ESCAPE not in str(output)
        assert output.get("name") != "stderr", text(output)
    for now, before in zip(map(results, executed), map(results, kept), strict=True):
        assert len(now) == len(before)
        for output, other in zip(now, before, strict=True):
            assert output["data"].keys() == other["data"].keys()
            assert words(output, f"{tmp_path}/")[:3] == words(other)[:3]
    assert sorted(folder.name for folder in (tmp_path / "runs").iterdir()) == [
        "decision",
        "digits",
        "linear",
        "perceptron",
    ]
