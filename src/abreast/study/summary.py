"""The result of a study in the terminal: a table of its cells, and the warnings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from abreast.report.dataset_text import rank_sentences
from abreast.report.example_text import example_sentences
from abreast.report.formatting import format_difference_interval, format_mean, format_number, format_verdict
from abreast.report.groups import Analysis
from abreast.runs.looks import count_looks, looks_notes, read_looks
from abreast.runtime.console import fits
from abreast.runtime.printable import printable
from abreast.runtime.wrapping import fitted
from abreast.study.comparison import task_of
from abreast.study.datasets import study_datasets
from abreast.study.protocol import Protocol
from abreast.study.results import StudyResult
from abreast.study.selection import format_setting_pairs

WIDTH = 140  # columns, where the output is not a terminal


def print_result(result: StudyResult, analysis: Analysis, page: Path) -> None:
    """Print the table of a finished study, its warnings and the path of its page."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print()
    print_cells(result, console)
    protocol, looks = result.protocol, read_looks(result.directory)
    _say(
        f"Tuned by {result.choices[0].metric} on {format_tunings(protocol)} with {protocol.trials} "
        f"trials per cell; tested on {format_seeds(protocol.repeat_seeds)}; the test set was looked at "
        f"{count_looks(looks)}.\n"
        "Mean with its 95% confidence interval. Reference: the cell with the best validation in tuning. The "
        "error rate of 5% holds for all comparisons with it together; docs/statistics.md has the method."
    )
    for line in _split_sentences(result):
        _say(line)
    for task in analysis.tasks:
        for line in example_sentences(task, analysis):
            where = f"{task.label}: " if len(analysis.tasks) > 1 else ""
            _say(f"{where}{line}")
    datasets = study_datasets(result)
    if datasets is not None:
        console.print("\n[bold]Ranks over data sets[/bold]")
        for line in rank_sentences(datasets):
            _say(f"  {line}")
    for line in looks_notes(looks):
        _say(line)
    if result.warnings:
        console.print("\n[bold]Warnings[/bold]")
        for line in result.warnings:
            _say(f"  {line}")
    _say(f"\n{page}")


def _say(text: str) -> None:
    print(fitted(printable(text, keep="\n"), sys.stdout))


def format_seeds(seeds: tuple[int, ...]) -> str:
    """Write `seed 0` or `seeds 101, 102`."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def format_tunings(protocol: Protocol) -> str:
    """Write what the trials were trained on: `seed 0`, `seed 0 of each of 4 splits`."""
    splits = len(protocol.tune_splits)
    return format_seeds(protocol.tune_seeds) + f" of each of {splits} splits" * (splits > 1)


def _split_sentences(result: StudyResult) -> list[str]:
    """How splits were pooled, for each data set where that differs."""
    if result.comparison is None:
        return []
    pairs = zip(result.choices, result.comparison.splits, strict=True)
    by_task = {" ".join(task_of(choice.cell)): splits.sentences() for choice, splits in pairs}
    several = len({tuple(lines) for lines in by_task.values()}) > 1
    lines = [f"{task}: {line}" if several else line for task, lines in by_task.items() for line in lines]
    return [*dict.fromkeys(lines)]


@dataclass(frozen=True)
class _Row:
    """What is shown of a cell: its options, the setting chosen for it, and how that did."""

    parts: tuple[str, ...]
    chosen: str
    validation: str
    mean: str
    n: str
    comparison: list[str]


def _rows(result: StudyResult) -> Iterator[_Row]:
    for index in result.order():
        choice = result.choices[index]
        best = choice.best
        chosen, validation = "-", "-"
        if best is not None:
            names = {key.rpartition(".")[2]: value for key, value in best.setting.items()}
            chosen = format_setting_pairs(names)
            validation = "-" if best.score is None else format_number(best.score)
        parts = tuple(map(printable, choice.cell.parts.values()))
        yield _Row(parts, printable(chosen), validation, *_test_cells(result, index))


def print_cells(result: StudyResult, console: Console) -> None:
    """Print the cells as the widest table that fits, or else each in lines of its own."""
    rows = [*_rows(result)]
    tables = (_table(result, rows), _narrow_table(result, rows))
    for table in tables:
        if fits(table, console):
            console.print(table)
            return
    metric = result.choices[0].metric
    console.print(Text(f"{result.criteria.metric}, by cell", style="bold"))
    for row in rows:
        lines = [f"{row.mean}, n = {row.n}, {row.comparison[0]}" if row.mean else row.comparison[0]]
        lines += [*row.comparison[1:], f"{metric} {row.validation}"]
        console.print(Text(" ".join([*row.parts, row.chosen])))
        console.print(Padding(Text("\n".join(lines)), (0, 0, 0, 2)))


def _table(result: StudyResult, rows: Iterable[_Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in (*result.protocol.cells[0].parts, "chosen"):
        table.add_column(key, no_wrap=True)
    for title in (result.choices[0].metric, result.criteria.metric, "n", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for row in rows:
        cells = (*row.parts, row.chosen, row.validation, row.mean, row.n, ", ".join(row.comparison))
        table.add_row(*map(Text, cells))
    return table


def _narrow_table(result: StudyResult, rows: Iterable[_Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("cell", result.criteria.metric, "n", "compared with the reference"):
        table.add_column(title, no_wrap=True)
    for column in table.columns[1:3]:
        column.justify = "right"
    stage, _, name = result.choices[0].metric.partition("/")
    metric = stage if result.criteria.metric.endswith(f"/{name}") else f"{stage}/{name}"
    for row in rows:
        cell = f"{' '.join(row.parts)}\n  {row.chosen}, {metric} {row.validation}"
        mean = row.mean.replace(" (", "\n(")
        table.add_row(*map(Text, (cell, mean, row.n, "\n".join(row.comparison))))
    return table


def _test_cells(result: StudyResult, index: int) -> tuple[str, str, list[str]]:
    """A cell's mean with its interval, its number of seeds, and how it compares, in short texts."""
    if result.comparison is None:
        return "", "0", ["failed"]
    summary, ranking = result.comparison.summaries[index], result.comparison.rankings[index]
    name = result.choices[index].cell.name
    share = f"{summary.collapsed} of {summary.collapsed + summary.n}"
    if summary.mean is None:
        return "", "0", [f"collapsed ({share})" if summary.collapsed else "failed"]
    verdict = (
        "reference"
        if name == ranking.winner
        else format_verdict(ranking.verdict(name), result.comparison.splits[index].unit)
    )
    comparison = ranking.comparisons.get(name)
    lines = [verdict, format_difference_interval(comparison) if comparison else ""]
    lines += [f"{share} collapsed" if summary.collapsed else ""]
    return format_mean(summary), str(summary.n), [*filter(None, lines)]
