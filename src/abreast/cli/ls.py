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
from abreast.runtime.console import fits, lines_of
from abreast.runtime.printable import printable

NARROW = 60  # columns, below which a table has no dates


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
    table = _table(listed, has_dates=console.width >= NARROW)
    if not fits(table, console):
        table = _table(listed, has_dates=False)
    if fits(table, console):
        console.print(table)
    else:
        _print_lines(listed, console)
    return 0


def _metric(listed: Sequence[Entry]) -> tuple[str, str]:
    """The title of the metric that all have, or "", and whether it is the best of several."""
    metrics = {entry.metric for entry in listed if entry.metric}
    common = metric_title(metrics.pop()) if len(metrics) == 1 else ""
    is_best = any(entry.kind != "run" for entry in listed) or not common
    return common, "best " if is_best else ""


def _table(listed: Sequence[Entry], *, has_dates: bool) -> Table:
    common, best = _metric(listed)
    has_settings = not all(_names_settings(entry) for entry in listed)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    if has_settings:
        table.add_column("settings", no_wrap=True)
    table.add_column("runs", no_wrap=True)
    table.add_column(f"{best}{common}", justify="right", no_wrap=True)
    if has_dates:
        table.add_column("changed", no_wrap=True)
    for entry in listed:
        settings = [Text(printable(entry.settings))] if has_settings else []
        changed = [_date(entry)] if has_dates else []
        table.add_row(_name(entry), *settings, Text(_runs(entry)), Text(_best(entry, common)), *changed)
    return table


def _print_lines(listed: Sequence[Entry], console: Console) -> None:
    """Each name on a line of its own, and what is known below it."""
    common, best = _metric(listed)
    for entry in listed:
        console.print(_name(entry), soft_wrap=True)
        value = f"{best if entry.kind != 'run' else ''}{common} {_best(entry, common)}".strip()
        settings = [] if _names_settings(entry) else [printable(entry.settings)]
        facts = [_runs(entry), *([value] if entry.best is not None else []), *settings, _date(entry)]
        for line in lines_of(filter(None, facts), console.width - 2):
            console.print(Text(f"  {line}"), soft_wrap=True)


def _name(entry: Entry) -> Text:
    tags = "".join(f" #{tag}" for tag in entry.tags)
    return Text(printable(entry.name)).append(printable(tags), style="cyan")


def _date(entry: Entry) -> str:
    return time.strftime("%m-%d %H:%M", time.localtime(entry.changed))


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
