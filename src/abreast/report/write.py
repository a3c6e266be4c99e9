"""The command `abreast report`: read sweeps, analyse them, and write the tables and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from abreast.errors import RunError
from abreast.report.analysis import analyse
from abreast.report.collect import collect, holds_runs
from abreast.report.dataset_text import ranks_section, write_ranks
from abreast.report.datasets import over_datasets
from abreast.report.example_text import write_examples
from abreast.report.figures.base import Section
from abreast.report.figures.image_files import export, find_browser
from abreast.report.groups import Analysis
from abreast.report.html.contents import page_contents, render
from abreast.report.markup import write_tables
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.settings import Choices
from abreast.report.study_choice import compare_as_studied, read_study_choice, study_runs
from abreast.report.tables import runs_table, summary_table
from abreast.runs.atomic import write_atomically
from abreast.runs.files import DECISION, REPORT, REPORT_PAGE, REPORT_RUNS, REPORT_SUMMARY
from abreast.runs.links import check_output_folder

REPEAT = "repeat"  # a study's folder of its repeats, whose report is not the study's own


@dataclass(frozen=True)
class Report:
    """An analysis and the files that show it.

    Attributes:
        analysis: The numbers of the report.
        page: The HTML page.
        files: All files that were written, the page first.
    """

    analysis: Analysis
    page: Path
    files: tuple[Path, ...]


def write_report(
    directories: Sequence[Path],
    out: Path | None = None,
    *,
    metric: str | None = None,
    margin: float | None = None,
    target: float | None = None,
    figures: bool = False,
    extra: Sequence[Section] = (),
    choices: Choices | None = None,
    reload: int | None = None,
) -> Report:
    """Write the page, the tables and, if wanted, the figures for all runs below some directories.

    Args:
        directories: Directories of sweeps or of runs. Of a study only the repeats are
            reported, compared with the cell that the study chose before it tested them.
        out: The directory to write to; by default `report` in the first directory.
        metric: The metric that groups are compared by; see `abreast.report.analysis.analyse`.
        margin: The difference up to which groups are equivalent, in the metric's unit.
        target: The level of the validation metric for the figure of time to a target.
        figures: Whether to write every figure as PNG and SVG too.
        extra: Additional sections of the page, with their figures.
        choices: What the user says of runs that others trained.
        reload: Seconds after which the page loads itself again, as that of a sweep that runs; None: never.

    Returns:
        The analysis and the paths of the files.

    Raises:
        RunError: If there are no runs, a directory holds a decision, no run has the metric, the directory
            cannot be written to, or no browser was found to draw the figures with.
        ConfigError: If the margin is not one of this metric.
    """
    if figures:
        find_browser()  # raises before the work, not after it
    for directory in directories:
        _refuse_decision(directory)
    first = Path(directories[0])
    others = None
    if not holds_runs(directories):
        others = collect_foreign(directories, replace(choices or Choices(), metric=metric))
    if others is None:
        analysis = analyse_runs(directories, metric, margin)
    else:
        sweep, metric, notes = others
        analysis = analyse(sweep, metric, margin)
        analysis.notes += notes
        first = first if first.is_dir() else first.parent
    folder = out or (first / REPEAT if read_study_choice(first) else first) / REPORT
    if out is None:
        check_output_folder(folder, first, "--out")
    datasets = over_datasets(analysis)
    ranks = [ranks_section(datasets)] if datasets else []
    contents = page_contents(analysis, target=target, extra=[*ranks, *extra])
    files = [folder / name for name in (REPORT_PAGE, REPORT_SUMMARY, REPORT_RUNS)]
    try:
        write_atomically(files[0], render(analysis, contents, reload).encode(errors="replace"))
        summary_table(analysis).write(files[1])
        runs_table(analysis).write(files[2])
        files += write_tables(analysis, folder)
        files += write_examples(analysis, folder)
        files += write_ranks(datasets, folder)
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written to ({error.strerror}). Give another directory with --out"
        ) from None
    if figures:
        files += export(contents.figures, folder / "figures")
    return Report(analysis, files[0], tuple(files))


def _refuse_decision(directory: Path) -> None:
    """The tests of a report are for a number of seeds that was chosen beforehand, not by looking."""
    if (directory / DECISION).exists():
        raise RunError(
            f"{directory}: holds a decision, whose seeds were added by looking at them, so that the tests of "
            f"a report would be wrong. Its page is {directory / REPORT / REPORT_PAGE}; the same "
            "abreast decide command writes it again"
        )


def analyse_runs(
    directories: Sequence[Path], metric: str | None = None, margin: float | None = None
) -> Analysis:
    """Analyse the runs below directories; of a study as it decided itself: its repeats, by its reference.

    Args:
        directories: Directories of sweeps, studies or runs, or what holds some of them.
        metric: The metric that groups are compared by; by default the studies', else the usual one.
        margin: The difference up to which groups are equivalent; by default the studies'.

    Raises:
        RunError: If there are no runs, or no run has the metric.
        ConfigError: If the margin is not one of this metric.
    """
    runs = study_runs(directories)
    metric = metric or runs.metric
    analysis = analyse(collect(runs.paths), metric, runs.margin(metric) if margin is None else margin)
    analysis.sweep.directories = tuple(directories)  # they hold the commands
    compare_as_studied(analysis, runs)
    return analysis
