"""`abreast compare`: in which settings and metrics runs differ."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abreast.errors import RunError
from abreast.report.collect import collect
from abreast.report.run import Run
from abreast.report.run_diff import Row, differences
from abreast.runtime.printable import printable

MOST_RUNS = 8  # columns


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast compare`."""
    parser = ArgumentParser(
        "abreast compare", description="In which settings and metrics runs differ. For tests: abreast report."
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    if len(args.runs) == 1:
        raise RunError(f"{args.runs[0]}: compare takes at least two runs; for one: abreast show")
    runs = [_run(path) for path in args.runs]
    rows = differences(runs)
    if args.json:
        content: dict[str, object] = {"runs": [str(run.path) for run in runs]}
        for row in rows:
            section = content.setdefault(row.section, {})
            assert isinstance(section, dict)
            section[row.key] = list(row.values)
        print(json.dumps(content, indent=1))
        return 0
    _print(runs, rows)
    return 0


def _run(path: Path) -> Run:
    """The one run of a directory."""
    runs = collect([path]).runs
    if len(runs) > 1:
        raise RunError(f"{path}: holds {len(runs)} runs; give the directories of single ones, or use report")
    return runs[0]


def _print(runs: Sequence[Run], rows: Sequence[Row]) -> None:
    console = Console(highlight=False)
    if len(runs) > MOST_RUNS:
        raise RunError(f"{len(runs)} runs are too many for a table: at most {MOST_RUNS}, or --json")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    letters = [chr(ord("A") + number) for number in range(len(runs))]
    for letter, run in zip(letters, runs, strict=True):
        status = "" if run.status == "finished" else f", {run.status}"
        console.print(
            Text(f"{letter}  ", style="bold").append(printable(f"{run.path}{status}")), soft_wrap=True
        )
        table.add_column(letter, overflow="fold")
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            table.add_row()
            table.add_row(Text(section, style="bold"))
        table.add_row(Text(printable(row.key)), *(Text(printable(value)) for value in row.values))
    if not any(row.section == "settings" for row in rows):
        console.print("The settings are the same.")
    console.print(table)
