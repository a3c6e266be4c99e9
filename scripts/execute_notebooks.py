"""Execute the notebooks of docs/ and keep what they print: `python scripts/execute_notebooks.py`."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from nbclient import NotebookClient

nbformat: Any = import_module("nbformat")  # it has no type hints
DOCS = Path(__file__).parents[1] / "docs"
SECONDS = 300  # for a cell


def execute(path: Path, folder: Path) -> Any:
    """Execute a notebook.

    Args:
        path: The notebook.
        folder: The working directory.

    Returns:
        The notebook with its outputs; the joined text of a stream is one output.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}})
    client.record_timing = False
    client.execute()
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """The outputs, with what a stream printed in several portions in one."""
    joined: list[Any] = []
    for output in outputs:
        if (
            joined
            and output.output_type == "stream" == joined[-1].output_type
            and output.name == joined[-1].name
        ):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def main() -> None:
    """Execute all of them in place."""
    for path in sorted(DOCS.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            text = nbformat.writes(execute(path, Path(folder)))
            path.write_text(f"{text.replace(f'{folder}/', '').rstrip()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
