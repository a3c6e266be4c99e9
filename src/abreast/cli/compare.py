"""`abreast compare`: in which settings and metrics runs differ."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abreast.errors import RunError
from abreast.report.collect import collect
from abreast.report.run import Run
from abreast.report.run_diff import Row, differences
from abreast.runtime.console import fits, lines_of
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
    _print(args.runs, runs, rows)
    return 0


def _run(path: Path) -> Run:
    """The one run of a directory."""
    runs = collect([path]).runs
    if len(runs) > 1:
        raise RunError(f"{path}: holds {len(runs)} runs; give the directories of single ones, or use report")
    return runs[0]


def _print(paths: Sequence[Path], runs: Sequence[Run], rows: Sequence[Row]) -> None:
    console = Console(highlight=False)
    if len(runs) > MOST_RUNS:
        raise RunError(f"{len(runs)} runs are too many for a table: at most {MOST_RUNS}, or --json")
    letters = [chr(ord("A") + number) for number in range(len(runs))]
    for letter, path, run in zip(letters, paths, runs, strict=True):
        status = "" if run.status == "finished" else f", {run.status}"
        console.print(Text(f"{letter}  ", style="bold").append(printable(f"{path}{status}")), soft_wrap=True)
    if not any(row.section == "settings" for row in rows):
        console.print("The settings are the same.")
    options = {row.key for row in rows}  # which say what is built
    rows = [
        row for row in rows if not (row.key.endswith("._target_") and row.key.partition(".")[0] in options)
    ]
    table = _table(letters, rows)
    if fits(table, console):
        console.print(table)
    else:
        _print_lines(letters, rows, console)


def _table(letters: Sequence[str], rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", *letters):
        table.add_column(title, no_wrap=True)
    for section, members in groupby(rows, key=lambda row: row.section):
        table.add_row()
        table.add_row(Text(section, style="bold"))
        for row in members:
            table.add_row(*(Text(printable(text)) for text in (row.key, *row.values)))
    return table


def _print_lines(letters: Sequence[str], rows: Sequence[Row], console: Console) -> None:
    """Each key with its values below it, where a table would be too wide."""
    for section, members in groupby(rows, key=lambda row: row.section):
        console.print(Text(f"\n{section}", style="bold"))
        for row in members:
            console.print(Text(printable(row.key)))
            values = [
                f"{letter} {printable(value) or '-'}"
                for letter, value in zip(letters, row.values, strict=True)
            ]
            for line in lines_of(values, console.width - 2):
                console.print(Text(f"  {line}"), soft_wrap=True)
