"""What was logged of a run, by step, as lines of JSON in its directory: enough to log it again.

W&B's service keeps what it is given in memory, and writes it when the run ends: of a killed run it has
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from abreast.errors import RunError
from abreast.runs.atomic import naming_file, write_atomically
from abreast.runs.small_file import parse_json, read_text

Rows = Mapping[int, Mapping[str, float]]


class RowJournal:
    """Rows of values by optimizer step.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def restart(self, end: int) -> Rows:
        """Give the rows of the steps before `end`, and remove all others.

        Raises:
            RunError: The file is not a journal.
        """
        try:
            lines = read_text(self.path).splitlines(keepends=True)
        except FileNotFoundError:
            return {}
        rows = dict(self._parse(line) for line in lines if line.endswith("\n"))
        kept = {step: values for step, values in sorted(rows.items()) if step < end}
        write_atomically(self.path, _lines(kept).encode())
        return kept

    def append(self, rows: Rows) -> None:
        """Add rows."""
        with naming_file(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_lines(rows))

    def _parse(self, line: str) -> tuple[int, dict[str, float]]:
        match parse_json(line, self.path):
            case {"step": int(step), "values": dict(values)} if all(
                isinstance(value, int | float) for value in values.values()
            ):
                return step, values
        raise RunError(
            f"{self.path}: holds a line that is not a row of values: {line[:40].strip()!r}. "
            "Without the file, the run resumes without the rows in it"
        )


def _lines(rows: Rows) -> str:
    return "".join(f"{json.dumps({'step': step, 'values': dict(row)})}\n" for step, row in rows.items())
