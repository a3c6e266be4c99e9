"""The result in the terminal: the table of groups, the sentences, and the runs that are not included."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from abreast.report.dataset_text import rank_sentences
from abreast.report.datasets import over_datasets
from abreast.report.formatting import (
    format_collapsed,
    format_count,
    format_difference_interval,
    format_failed,
    format_mean,
    format_p_value,
    format_statuses,
    metric_title,
    verdict_label,
)
from abreast.report.group_cells import lost_columns
from abreast.report.groups import Analysis, Group
from abreast.report.settings import format_setting
from abreast.report.text import exclusion_reason, findings, headline
from abreast.runtime.console import fits
from abreast.runtime.printable import printable

MOST_ROWS = 30  # groups, and runs that are not included
WIDE = 110  # columns, from which on a difference and its interval share a line
STYLES = {"winner": "bold green", "collapsed": "red"}  # by verdict


def print_analysis(analysis: Analysis, console: Console) -> None:
    """Print for each task the table of groups and the result, then the runs that no mean includes."""
    for task in analysis.tasks:
        if task.label:
            console.print(Text(f"\n{printable(task.label)}", style="bold"))
        _print_groups(task.groups, analysis, console, MOST_ROWS)
        console.print()
        console.print(Text(printable(headline(task, analysis)), style="bold"))
        for line in findings(task, analysis):
            console.print(Text(printable(line)))
    datasets = over_datasets(analysis)
    if datasets is not None:
        console.print(Text("\nRanks over data sets", style="bold"))
        for line in rank_sentences(datasets):
            console.print(Text(printable(line)))
    for line in analysis.notes:
        console.print(Text(printable(line)))
    _print_excluded(analysis, console)


def print_best(analysis: Analysis, console: Console, most: int) -> None:
    """Print for each task the table of the best groups, and which one is best."""
    for task in analysis.tasks:
        console.print(Text(f"\n{printable(task.label)}" if task.label else "", style="bold"))
        _print_groups(task.groups, analysis, console, most)
        console.print(Text(printable(headline(task, analysis)), style="bold"))


def _print_groups(groups: Sequence[Group], analysis: Analysis, console: Console, most: int) -> None:
    table = _groups_table(groups, analysis, console.width, most)
    if fits(table, console):
        console.print(table)
    else:
        _print_group_lines(groups, analysis, console, most)


def _groups_table(groups: Sequence[Group], analysis: Analysis, width: int, most: int) -> Table:
    is_wide = width >= WIDE
    lost = lost_columns(groups) if is_wide else {}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in analysis.keys:
        table.add_column(Text(printable(key)), no_wrap=True)
    table.add_column(metric_title(analysis.metric), justify="right", no_wrap=True)
    for title in ("n", *lost, *(("difference", "p") if is_wide else ())):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("" if is_wide else "compared with the best", no_wrap=True)
    for group in groups[:most]:
        comparison = group.comparison
        is_compared = comparison is not None and comparison.difference is not None
        difference = format_difference_interval(comparison) if comparison and is_compared else ""
        verdict = [verdict_label(group)]
        if not is_wide:
            verdict += [difference, *_lost(group)]
        table.add_row(
            *(Text(printable(format_setting(group.settings[key]))) for key in analysis.keys),
            format_mean(group.summary).replace(" (", "\n("),
            str(group.summary.n),
            *(Text(cell(group), style="red") for cell in lost.values()),
            *([difference, format_p_value(comparison.p_adjusted if comparison else None)] if is_wide else []),
            Text("\n".join(filter(None, verdict)), style=STYLES.get(group.verdict, "")),
        )
    if len(groups) > most:
        table.add_row(Text(f"… {len(groups) - most} more", style="dim"))
    return table


def _lost(group: Group) -> list[str]:
    """How many runs failed, and how many ended at chance beside others that did not."""
    failed, collapsed = format_failed(group), format_collapsed(group) if group.values else ""
    return [f"{failed} failed" if failed else "", f"{collapsed} collapsed" if collapsed else ""]


def _print_group_lines(groups: Sequence[Group], analysis: Analysis, console: Console, most: int) -> None:
    console.print(Text(metric_title(analysis.metric), style="bold"))
    for group in groups[:most]:
        comparison = group.comparison
        values = [
            format_mean(group.summary),
            f"n = {group.summary.n}",
            *_lost(group),
            verdict_label(group) if group.summary.n or group.collapsed else "",
        ]
        console.print(Text(printable(group.label)))
        lines = [Text(", ".join(filter(None, values)), style=STYLES.get(group.verdict, ""))]
        if comparison and comparison.difference is not None:
            lines.append(Text(f"difference {format_difference_interval(comparison)}"))
        console.print(*(Padding(line, (0, 0, 0, 2)) for line in lines))
    if len(groups) > most:
        console.print(Text(f"… {len(groups) - most} more", style="dim"))


def _print_excluded(analysis: Analysis, console: Console) -> None:
    # Runs that ended at chance are in the table of groups.
    excluded = [run for run in analysis.excluded_runs() if run.duplicate_of or not run.is_collapsed]
    runs = format_count(len(analysis.sweep.runs), "run")
    console.print(Text(f"\n{runs}: {format_statuses(analysis.sweep)}."))
    for run in excluded[:MOST_ROWS]:
        reason = printable(exclusion_reason(run, analysis))
        console.print(Text(f"  {printable(run.name)}  {reason}", style="dim"))
    if len(excluded) > MOST_ROWS:
        console.print(Text(f"  … {len(excluded) - MOST_ROWS} more in runs.csv", style="dim"))
