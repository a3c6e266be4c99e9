"""`abreast report`: read sweeps, compare, and write the tables and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abreast.errors import RunError
from abreast.report.collect import collect
from abreast.report.figures.base import Section
from abreast.report.figures.image_files import browser, export
from abreast.report.groups import Answer, answer
from abreast.report.html.contents import contents, render
from abreast.report.tables import runs_table, summary_table, write_csv
from abreast.runs.atomic import write_atomically
from abreast.runs.files import REPORT_PAGE, REPORT_RUNS, REPORT_SUMMARY, STUDY


@dataclass(frozen=True)
class Report:
    """What was found, and the files that say it."""

    answer: Answer
    page: Path
    files: tuple[Path, ...]


def write_report(
    directories: Sequence[Path],
    out: Path | None = None,
    *,
    metric: str | None = None,
    target: float | None = None,
    figures: bool = False,
    extra: Sequence[Section] = (),
) -> Report:
    """Write runs.csv, summary.csv and report.html on the runs below the directories.

    out: the folder to write to, by default `report` in the first directory. metric: what groups are compared
    by, by default the first of `abreast.report.groups.METRICS` that there is. target: the level of time to
    target. figures: each figure as PNG and SVG too. extra: more sections of the page, with their figures.
    Of a study, which has a page of its own, the repeats.
    Raises RunError where there is no run, no such metric, or no browser to draw figures with.
    """
    if figures:
        browser()  # tells now that there is none, not after the work
    directories = [_repeats(each) for each in directories]
    found = answer(collect(directories), metric)
    folder = out or Path(directories[0]) / "report"
    made = contents(found, target=target, extra=extra)
    files = [folder / name for name in (REPORT_PAGE, REPORT_SUMMARY, REPORT_RUNS)]
    try:
        write_atomically(files[0], render(found, made).encode())
        write_csv(files[1], *summary_table(found))
        write_csv(files[2], *runs_table(found))
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written to ({error.strerror}); name another with --out"
        ) from None
    if figures:
        files += export(made.figures, folder / "figures")
    return Report(found, files[0], tuple(files))


def _repeats(directory: Path) -> Path:
    """A study's tuning is not to be compared with what it chose: other seeds, and no test."""
    repeats = directory / "repeat"
    return repeats if (directory / STUDY).exists() and repeats.is_dir() else directory
