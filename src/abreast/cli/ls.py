"""`abreast ls`: the runs, sweeps and studies below a folder."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abreast.errors import RunError
from abreast.report.formatting import format_count, format_number, metric_title
from abreast.report.listing import Entry, entries
from abreast.runtime.printable import printable

NARROW = 60  # columns: below, a line of its own for what varies


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast ls`."""
    parser = ArgumentParser("abreast ls", description="The runs, sweeps and studies below a folder.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--tag", help="only what has this tag")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    args = parser.parse_args(argv)
    listed = [entry for entry in entries(args.folder) if args.tag in (None, *entry.tags)]
    if args.json:
        print(json.dumps([entry.as_json() for entry in listed], indent=1))
        return 0
    if not listed:
        raise RunError(f"{args.folder}: nothing below it has the tag {args.tag}")
    console = Console(highlight=False)
    console.print(_table(listed, console.width))
    return 0


def _table(listed: Sequence[Entry], width: int) -> Table:
    metrics = {entry.metric for entry in listed if entry.metric}
    common = metric_title(metrics.pop()) if len(metrics) == 1 else ""
    several = "best " if any(entry.kind != "run" for entry in listed) or not common else ""
    is_named = all(_names_settings(entry) for entry in listed)
    has_settings = width >= NARROW and not is_named
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", ratio=3)
    if has_settings:
        table.add_column("settings", overflow="fold", ratio=3)
    table.add_column("runs", overflow="fold", ratio=2)
    table.add_column(f"{several}{common}", justify="right", overflow="fold", min_width=6)
    if width >= NARROW:
        table.add_column("changed", no_wrap=True)
    for entry in listed:
        name = Text(printable(entry.name)).append(
            printable("".join(f" #{tag}" for tag in entry.tags)), style="cyan"
        )
        settings = printable(entry.settings)
        if width < NARROW and not is_named:
            name.append(f"\n{settings}", style="dim")
        table.add_row(
            name,
            *([Text(settings)] if has_settings else []),
            Text(_runs(entry)),
            Text(_best(entry, common)),
            *([time.strftime("%m-%d %H:%M", time.localtime(entry.changed))] if width >= NARROW else []),
        )
    return table


def _names_settings(entry: Entry) -> bool:
    """Whether the name of a run's directory has its settings in it, as the names that a sweep gives."""
    return entry.kind == "run" and all(word in entry.name for word in entry.settings.split())


def _runs(entry: Entry) -> str:
    """Write `finished` of a run, `study: 60 runs` or `sweep: 4 runs, 1 failed` of several."""
    counts = entry.counts()
    if entry.kind == "run":
        return next(iter(counts), "no run")
    others = [f"{count} {status}" for status, count in counts.items() if status != "finished"]
    return f"{entry.kind}: {', '.join([format_count(len(entry.runs), 'run'), *others])}"


def _best(entry: Entry, common: str) -> str:
    if entry.best is None:
        return ""
    return format_number(entry.best) + ("" if common else f" {metric_title(entry.metric)}")
