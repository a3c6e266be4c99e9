"""What the page contains, in order: the result, the evidence for it, and how it was made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from abreast.report.example_text import example_section
from abreast.report.figures.base import Figure, FigureOptions, Section
from abreast.report.figures.registry import BEST_RUN, FIGURES, FigureGroup
from abreast.report.formatting import format_count, format_statuses
from abreast.report.groups import Analysis, Task
from abreast.report.html.elements import Part, Table, figure_html, section_part, table_html
from abreast.report.html.page import page
from abreast.report.html.sections import best_run_html, excluded_part, provenance_part, result_part
from abreast.report.html.tables import groups_table, runs_table
from abreast.report.provenance import made_with

MOST_TASKS = 8  # with figures; the others have a table


@dataclass(frozen=True)
class Contents:
    """The sections of a page, and the figures and tables that they refer to."""

    parts: Sequence[Part]
    figures: Sequence[Figure]
    tables: Sequence[Table]


def page_contents(
    analysis: Analysis, *, target: float | None = None, extra: Sequence[Section] = ()
) -> Contents:
    """Put the page together.

    Args:
        analysis: What to show.
        target: The level of the validation metric for the figure of time to a target.
        extra: Additional sections.

    Returns:
        The sections with their figures and tables.
    """
    options = FigureOptions(target)
    figures = [figure for section in extra for figure in section.figures]
    runs = runs_table(analysis)
    run_rows = {id(run): row for row, run in enumerate(analysis.sweep.runs)}
    tables = [runs]
    parts = [result_part(analysis)]
    parts += [section_part(section) for section in extra if section.position == "top"]
    for index, task in enumerate(analysis.tasks):
        # With several tasks each id has the task's number, and only the first task is in the navigation.
        suffix = f"-{index + 1}" if len(analysis.tasks) > 1 else ""
        of_task = f": {task.label}" if task.label else ""
        table = groups_table(task, analysis, run_rows, f"groups{suffix}")
        tables.append(table)
        task_parts = [Part("table", "All groups", "Table", table_html(table))]
        examples = example_section(task, analysis)
        task_parts += [replace(section_part(examples), nav="Test examples")] if examples else []
        if index < MOST_TASKS:
            task_parts += _figure_parts(task, analysis, options, suffix, figures)
        parts += [
            replace(
                part,
                id=f"{part.id}{suffix}",
                title=f"{part.title}{of_task}",
                nav="" if index else part.nav,
            )
            for part in task_parts
        ]
    parts += [section_part(section) for section in extra if section.position == "end"]
    parts += [
        excluded_part(analysis),
        Part("runs", "All runs", "Runs", table_html(runs)),
        provenance_part(analysis),
    ]
    return Contents([part for part in parts if part.body], figures, tables)


def render(analysis: Analysis, contents: Contents, reload: int | None = None) -> str:
    """Render the page as HTML, which loads itself again after so many seconds."""
    names = [directory.resolve().name for directory in analysis.sweep.directories]
    runs = f"{format_count(len(analysis.sweep.runs), 'run')} ({format_statuses(analysis.sweep)})"
    now = time.strftime("%Y-%m-%d %H:%M")
    return page(
        " and ".join(names),
        f"{runs} in {format_count(len(analysis.groups), 'group')}; read at {now}",
        contents.parts,
        contents.figures,
        contents.tables,
        made_with(),
        reload,
    )


def _figure_parts(
    task: Task, analysis: Analysis, options: FigureOptions, suffix: str, figures: list[Figure]
) -> list[Part]:
    """The sections with a task's figures, which are added to `figures`."""
    parts = []
    for group in FIGURES:
        built = _build(group, task, analysis, options, suffix)
        body = "".join(figure_html(figure, heading=len(built) > 1) for figure in built)
        parts.append(Part(group.id, group.title, group.nav, body))
        figures += built
    built = _build(BEST_RUN, task, analysis, options, suffix)
    parts.append(Part(BEST_RUN.id, BEST_RUN.title, BEST_RUN.nav, best_run_html(task, analysis, built)))
    figures += built
    return parts


def _build(
    group: FigureGroup, task: Task, analysis: Analysis, options: FigureOptions, suffix: str
) -> list[Figure]:
    built = [build(task, analysis, options) for build in group.builders]
    return [replace(figure, id=f"{figure.id}{suffix}") for figure in built if figure is not None]
