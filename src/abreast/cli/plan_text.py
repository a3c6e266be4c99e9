"""A plan in the terminal."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from abreast.cli.parts import Estimate, Part
from abreast.cli.planner import Planned
from abreast.report.formatting import format_count
from abreast.runtime.printable import printable

MOST_GROUPS = 4
MOST_VALUES = 5
NARROW = 60  # columns, below which the parts are lines instead of a table
Seconds = tuple[float, float]


def print_plan(planned: Planned, estimate: Estimate, console: Console) -> None:
    """Print what would be trained, the time, and the space."""
    for line in _runs(planned, estimate):
        console.print(Text(printable(line)))
    if estimate.parts:
        console.print()
        _print_table(estimate, console, is_run=planned.run is not None)
        console.print()
        for title, line in (("Time", _time(estimate)), ("Disk", _disk(planned, estimate))):
            console.print(Text(f"{title}  ", style="bold").append(printable(line), style="not bold"))
    console.print(Text("Nothing was written.", style="dim"))


def _runs(planned: Planned, estimate: Estimate) -> Iterator[str]:
    """What is trained, and what is not."""
    multirun = planned.multirun
    if multirun is None:
        yield "1 run"
        return
    runs = sum(len(part.runs) for part in estimate.parts)
    certain = sum(len(part.runs) for part in estimate.parts if part.is_certain)
    count = f"{certain:,} to {runs:,} runs" if certain < runs else f"{runs:,} run{'s' * (runs != 1)}"
    varied = [f"{key}={_values(key, values)}" for key, values in multirun.varied.items()]
    yield f"{count}: {' '.join(varied)}" if varied else count
    finished, repeated = (
        sum(getattr(batch, name) for batch in multirun.batches) for name in ("finished", "repeated")
    )
    if finished:
        yield f"Finished already, in {multirun.directory}: {format_count(finished, 'run')}"
    elif multirun.directory is not None:
        yield f"Resumed, where it was begun: {multirun.directory}"
    if repeated:
        yield f"Left out, as they would repeat another one: {format_count(repeated, 'job')}"
    invalid = Counter[str]()
    for batch in multirun.batches:
        invalid.update(batch.invalid)
    for message, jobs in invalid.items():
        yield f"{format_count(jobs, 'job')} would fail: {message}"


def _values(key: str, values: Sequence[str]) -> str:
    texts = [value.removeprefix(f"{key}=") for value in values]
    return (
        ",".join(texts) if len(texts) <= MOST_VALUES else f"{texts[0]},...,{texts[-1]} ({len(texts)} values)"
    )


def _print_table(estimate: Estimate, console: Console, *, is_run: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trained", overflow="fold")
    for title in ("runs", "epochs", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    for parts in _rows(estimate.parts):
        name = Text(printable(_name(parts, is_run=is_run)))
        details = Text("\n".join(map(printable, _details(parts, estimate, is_run=is_run))), style="dim")
        described = Group(name, *([Padding(details, (0, 0, 0, 2))] if details else []))
        runs = sum(len(other.runs) for other in parts)
        epochs = f"{parts[0].epochs:g}" if math.isfinite(parts[0].epochs) else ""
        seconds = estimate.seconds(parts)
        time = "" if seconds is None else format_range(seconds)
        if console.width >= NARROW:
            table.add_row(described, f"{runs:,}", epochs, time)
            continue
        facts = [format_count(runs, "run"), f"{epochs} epochs" if epochs else "", time]
        console.print(
            Text(f"{', '.join(filter(None, facts))}:", style="bold"), Padding(described, (0, 0, 0, 2))
        )
    if table.rows:
        console.print(table)


def _name(parts: Sequence[Part], *, is_run: bool) -> str:
    """How runs are trained."""
    if is_run:
        return "the run"
    batch = f"{parts[0].batch}: " if parts[0].batch else ""
    return batch + (_stacks(parts) if parts[0].reason is None else "individually")


def _details(parts: Sequence[Part], estimate: Estimate, *, is_run: bool) -> list[str]:
    """Why the runs are trained so, what they are, and what limits their cost."""
    part = parts[0]
    unknown = f"time unknown: {part.note}" if part.cost is None else ""
    reason = "" if is_run else part.reason
    return [line for line in (reason, *_groups(parts), _halving(part, estimate), unknown) if line]


def _stacks(parts: Sequence[Part]) -> str:
    """How many stacks there are, of how many lanes, and how many runs wait for one."""
    lanes = sorted({part.lanes for part in parts})
    size = f"{lanes[0]}" if len(lanes) == 1 else f"{lanes[0]} to {lanes[-1]}"
    text = f"{format_count(len(parts), 'stack')} of {size} lane{'s' * (lanes[-1] != 1)}"
    waiting = sum(len(part.runs) - part.lanes for part in parts)
    if waiting:
        text += f", {format_count(waiting, 'run')} wait{'s' * (waiting == 1)} for a free lane"
    return text


def _halving(part: Part, estimate: Estimate) -> str:
    """After which epochs runs of a stack are dropped."""
    rungs = [str(rung) for rung in estimate.halving[0] if rung < part.epochs]
    if part.reason is not None or not rungs:
        return ""
    together = "asynchronously " if part.is_asked else ""
    return f"halved {together}after epoch{'s' * (len(rungs) > 1)} {', '.join(rungs)}"


def _rows(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts that are alike share a row."""
    rows: dict[tuple[object, ...], list[Part]] = {}
    for part in parts:
        rows.setdefault((part.batch, part.reason, part.epochs, part.note), []).append(part)
    return list(rows.values())


def _groups(parts: Sequence[Part]) -> list[str]:
    """The settings of the runs and how many have each, if they differ."""
    runs = Counter(run.group for part in parts for run in part.runs)
    if len(runs) < 2 or not parts[0].are_settings_known:
        return []
    if len(runs) <= MOST_GROUPS:
        return [f"{group} ({count})" for group, count in runs.items()]
    least, most = min(runs.values()), max(runs.values())
    return [f"{len(runs):,} groups of {f'{least} to {most}' if least < most else most}"]


def _time(estimate: Estimate) -> str:
    total = estimate.total()
    if total is None:
        return "unknown"
    text = f"{format_range(total)} on this machine, as busy as it is"
    if estimate.unknown:
        text = f"at least {text}: {format_count(estimate.unknown, 'run')} could not be measured"
    workers = max(estimate.workers, *(part.processes for part in estimate.parts))
    if workers > 1:
        text += f", by {workers} processes"
    if any(
        "EarlyStopping" in str(run.config["callbacks"]) for part in estimate.parts for run in part.runs[:1]
    ):
        text += "; less where runs stop early"
    notes = dict.fromkeys(part.note for part in estimate.parts if part.cost is not None and part.note)
    return "; ".join([text, *(f"some runs were {note}" for note in notes)])


def _disk(planned: Planned, estimate: Estimate) -> str:
    size = estimate.bytes()
    if size is None:
        return "unknown"
    folder = planned.folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(existing).free
    text = f"about {format_bytes(size)}, {format_bytes(free)} are free in {_short(existing)}"
    return f"{text}: TOO LITTLE" if size > free else text


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def format_bytes(size: float) -> str:
    """Write a size.

    >>> format_bytes(1234567), format_bytes(3.2e10)
    ('1.2 MB', '32 GB')
    """
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000 or unit == "GB":
            return f"{size:.2g} {unit}" if size < 10 else f"{size:,.0f} {unit}"
    raise AssertionError(size)


def format_range(seconds: Seconds) -> str:
    """Write a range of durations.

    >>> format_range((20.4, 45)), format_range((200, 400)), format_range((3600, 9000))
    ('20 to 45 s', '3.3 to 6.7 min', '60 min to 2.5 h')
    """
    low, high = seconds
    if not math.isfinite(high):
        return "no end"
    texts = [_duration(value, _unit(value)) for value in seconds]
    if _unit(low) != _unit(high):
        return " to ".join(texts)
    return texts[1] if texts[0] == texts[1] else f"{texts[0].split()[0]} to {texts[1]}"


def _unit(seconds: float) -> str:
    return "s" if seconds < 90 else "min" if seconds < 5400 else "h"


def _duration(seconds: float, unit: str) -> str:
    value = seconds / {"s": 1, "min": 60, "h": 3600}[unit]
    number = f"{value:.1f}".removesuffix(".0") if value < 10 and unit != "s" else f"{value:,.0f}"
    return f"{number} {unit}"
