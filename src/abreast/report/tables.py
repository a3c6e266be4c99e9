"""runs.csv, summary.csv and the table in the terminal."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abreast.report import text as words
from abreast.report.groups import Answer, Group, left_out
from abreast.report.settings import text
from abreast.runs.atomic import write_atomically

SHOWN = 30  # groups and failures in the terminal
RUN = ("run", "status", "reason")


def runs_table(found: Answer) -> tuple[list[str], list[list[Any]]]:
    """A row a run: where it is, how it ended, what was varied, metrics of its best epoch, and the command."""
    names = sorted(
        {name for run in found.sweep.runs for name in run.metrics if name.count("/") == 1}, key=_stage
    )
    columns = [
        *RUN,
        *found.sweep.varied,
        "seed",
        "epoch",
        *names,
        "seconds",
        "parameters",
        "repeats",
        "command",
    ]
    rows: list[list[Any]] = []
    for run in found.sweep.runs:
        settings = [_cell(run.settings.get(key)) for key in found.sweep.varied]
        metrics = [run.metrics.get(name) for name in names]
        result = run.result
        start = [run.name, run.status, run.reason]
        end = [run.seconds, result.get("parameters"), run.repeats, command(run.overrides)]
        rows.append([*start, *settings, run.seed, result.get("epoch"), *metrics, *end])
    return columns, rows


def summary_table(found: Answer) -> tuple[list[str], list[list[Any]]]:
    """A row a group: everything but the seed, then statistics and the comparison with the winner."""
    columns = [
        *found.sweep.varied,
        *("metric", "n", "mean", "sd", "low", "high", "selection", "selection_mean"),
        *("runs", "finished", "failed", "failure_rate", "running", "seconds"),
        *("verdict", "winner", "difference", "difference_low", "difference_high", "test", "p", "p_holm"),
    ]
    rows = []
    for group in found.groups:
        s, c = group.summary, group.comparison
        rows.append(
            [
                *(_cell(value) for value in group.settings.values()),
                *(found.metric, s.n, s.mean, s.sd, s.low, s.high, found.selection, group.chosen.mean),
                *(len(group.runs), group.count("finished"), group.count("failed"), group.failure_rate),
                *(group.count("running"), group.seconds, group.verdict),
                *(
                    (c.winner, c.difference, c.low, c.high, words.test_name(c), c.p, c.p_holm)
                    if c
                    else (None,) * 7
                ),
            ]
        )
    return columns, rows


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write the table, whole or not at all; empty cells for what there is none of."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomically(path, file.getvalue().encode("utf-8", "replace"))


def command(overrides: Sequence[str], *, multirun: bool = False) -> str:
    """The command that trains with these overrides."""
    return shlex.join(["python", "train.py", *(["-m"] if multirun else []), *overrides])


def printed(value: str) -> str:
    """Text of unknown origin for a terminal: without what could move its cursor."""
    return "".join(each if each.isprintable() else "�" for each in value)


def print_answer(found: Answer, console: Console) -> None:
    """The answer, the table of groups, and what did not finish."""
    for task in found.tasks:
        if task.label:
            console.print(Text(f"\n{printed(task.label)}", style="bold"))
        console.print(_groups(task.groups, found))
        console.print()
        console.print(Text(printed(words.headline(task, found)), style="bold"))
        for line in words.sentences(task, found):
            console.print(Text(printed(line)))
    _print_left_out(found, console)


def _groups(groups: Sequence[Group], found: Answer) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in found.keys:
        table.add_column(Text(printed(key)), overflow="fold", min_width=4)
    table.add_column(words.metric_name(found.metric), justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("failed", justify="right")
    table.add_column("p (Holm)", justify="right", no_wrap=True)
    table.add_column("")
    for group in groups[:SHOWN]:
        p = group.comparison.p_holm if group.comparison else None
        failed = f"{group.count('failed')} of {len(group.runs)}" if group.count("failed") else ""
        table.add_row(
            *(Text(printed(text(group.settings[key]))) for key in found.keys),
            words.mean_and_half(group.summary),
            str(group.summary.n),
            Text(failed, style="red"),
            words.p_value(p),
            Text(words.verdict(group), style="bold green" if group.verdict == "winner" else ""),
        )
    if len(groups) > SHOWN:
        table.add_row(Text(f"… {len(groups) - SHOWN} more", style="dim"))
    return table


def _print_left_out(found: Answer, console: Console) -> None:
    out = left_out(found)
    counts = ", ".join(f"{count} {status}" for status, count in found.sweep.counts().items())
    console.print(Text(f"\n{len(found.sweep.runs)} runs: {counts}."))
    for run in out[:SHOWN]:
        console.print(Text(f"  {printed(run.name)}  {printed(why(run, found))}", style="dim"))
    if len(out) > SHOWN:
        console.print(Text(f"  … {len(out) - SHOWN} more in runs.csv", style="dim"))


def why(run: Any, found: Answer) -> str:
    """Why a run counts for nothing in the table."""
    if run.repeats:
        return f"has the settings and seed of {run.repeats}: counted once"
    if run.status == "finished":
        return f"finished without {found.metric}"
    if run.status == "running" and run.quiet is not None:
        return f"running; wrote last {words.seconds(run.quiet)} ago"
    return f"{run.status}: {run.reason}" if run.reason else run.status


def _stage(name: str) -> tuple[int, str]:
    stage, _, rest = name.partition("/")
    order = ("train", "val", "test")
    return (order.index(stage) if stage in order else len(order), rest)


def _cell(value: Any) -> Any:
    return (
        value
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        else text(value)
    )
