"""The result of a study in the terminal: a table of its cells, and the warnings."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abreast.report.dataset_text import rank_sentences
from abreast.report.example_text import example_sentences
from abreast.report.formatting import format_difference_interval, format_mean, format_number, format_verdict
from abreast.report.groups import Analysis
from abreast.runs.looks import count_looks, looks_notes, read_looks
from abreast.runtime.printable import printable
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
    console.print(_table(result))
    protocol, looks = result.protocol, read_looks(result.directory)
    console.print(
        f"Tuned by {result.choices[0].metric} on {format_tunings(protocol)} with {protocol.trials} "
        f"trials per cell; tested on {format_seeds(protocol.repeat_seeds)}; the test set was looked at "
        f"{count_looks(looks)}.\n"
        "Mean with its 95% confidence interval. Reference: the cell with the best validation in tuning. The "
        "error rate of 5% holds for all comparisons with it together; docs/statistics.md has the method.",
        soft_wrap=True,
    )
    for line in _split_sentences(result):
        console.print(Text(printable(line)), soft_wrap=True)
    for task in analysis.tasks:
        for line in example_sentences(task, analysis):
            where = f"{task.label}: " if len(analysis.tasks) > 1 else ""
            console.print(Text(printable(f"{where}{line}")), soft_wrap=True)
    datasets = study_datasets(result)
    if datasets is not None:
        console.print("\n[bold]Ranks over data sets[/bold]")
        for line in rank_sentences(datasets):
            console.print(Text(printable(f"  {line}")), soft_wrap=True)
    for line in looks_notes(looks):
        console.print(Text(printable(line)), soft_wrap=True)
    if result.warnings:
        console.print("\n[bold]Warnings[/bold]")
        for line in result.warnings:
            console.print(Text(printable(f"  {line}")), soft_wrap=True)
    console.print(Text(f"\n{printable(str(page))}"), soft_wrap=True)


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


def _table(result: StudyResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in result.protocol.cells[0].parts:
        table.add_column(key, overflow="fold")
    table.add_column("chosen", overflow="fold")
    for title in (result.choices[0].metric, result.criteria.metric, "n", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=bool(title))
    for index in result.order():
        choice = result.choices[index]
        best = choice.best
        chosen, validation = "-", "-"
        if best is not None:
            names = {key.rpartition(".")[2]: value for key, value in best.setting.items()}
            chosen = format_setting_pairs(names)
            validation = "-" if best.score is None else format_number(best.score)
        cells = (*choice.cell.parts.values(), chosen, validation, *_test_cells(result, index))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _test_cells(result: StudyResult, index: int) -> tuple[str, str, str]:
    """A cell's mean with its interval, its number of seeds, and how it compares."""
    if result.comparison is None:
        return "", "0", "failed"
    summary, ranking = result.comparison.summaries[index], result.comparison.rankings[index]
    name = result.choices[index].cell.name
    share = f"{summary.collapsed} of {summary.collapsed + summary.n}"
    if summary.mean is None:
        return "", "0", f"collapsed ({share})" if summary.collapsed else "failed"
    verdict = (
        "reference"
        if name == ranking.winner
        else format_verdict(ranking.verdict(name), result.comparison.splits[index].unit)
    )
    comparison = ranking.comparisons.get(name)
    lines = [verdict, format_difference_interval(comparison) if comparison else ""]
    lines += [f"{share} collapsed" if summary.collapsed else ""]
    return format_mean(summary), str(summary.n), ", ".join(filter(None, lines))
