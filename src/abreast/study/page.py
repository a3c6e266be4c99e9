"""A study's page: the report on its repeats, with the protocol, the budget curve and the tuning before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from abreast.config.types import Json
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.dataset_text import ranks_section, write_ranks
from abreast.report.example_text import write_examples
from abreast.report.figures.base import (
    Figure,
    FigureOptions,
    Section,
    layout,
    line_style,
    marker_symbol,
    safe_text,
    scatter,
    unique_names,
)
from abreast.report.figures.lr_sensitivity import lr_sensitivity
from abreast.report.formatting import format_count, format_number, metric_title
from abreast.report.groups import Analysis
from abreast.report.html.contents import page_contents, render
from abreast.report.markup import write_tables
from abreast.report.study_choice import compare_with_references, resolved
from abreast.report.tables import runs_table, summary_table
from abreast.runs.atomic import write_atomically
from abreast.runs.files import REPORT, REPORT_PAGE, REPORT_RUNS, REPORT_SUMMARY
from abreast.runs.looks import count_looks, looks_notes, read_looks
from abreast.study.budget import budgets
from abreast.study.datasets import study_datasets
from abreast.study.results import StudyResult
from abreast.study.selection import format_setting_pairs
from abreast.study.summary import format_seeds, format_tunings

MOST_LINES = 24


def study_analysis(result: StudyResult) -> Analysis:
    """Analyse a study's repeats by its own metric, margin and references.

    Args:
        result: A finished study.

    Raises:
        RunError: If the directories of the runs are missing.
    """
    analysis = analyse(
        collect(_run_directories(result, "repeat")), result.criteria.metric, result.protocol.margin
    )
    analysis.sweep.directories = (result.directory,)  # it holds the study's command
    references = _references(result)
    for task in analysis.tasks:
        compare_with_references(task, analysis, references)
    analysis.notes += looks_notes(read_looks(result.directory))
    return analysis


def write_page(result: StudyResult, analysis: Analysis) -> Path:
    """Write report.html, summary.csv and runs.csv to `report` in the study's directory.

    Args:
        result: A finished study.
        analysis: Of its repeats.

    Returns:
        The path of the page.

    Raises:
        RunError: If the directories of the runs are missing.
    """
    folder = result.directory / REPORT
    datasets = study_datasets(result)
    ranks = [ranks_section(datasets)] if datasets else []
    sections = [_protocol_section(result), *ranks, *_tuning_sections(result)]
    contents = page_contents(analysis, extra=sections)
    write_atomically(folder / REPORT_PAGE, render(analysis, contents).encode(errors="replace"))
    summary_table(analysis).write(folder / REPORT_SUMMARY)
    write_tables(analysis, folder)
    write_examples(analysis, folder)
    write_ranks(datasets, folder)
    all_runs = collect([*_run_directories(result, "tune"), *_run_directories(result, "repeat")])
    runs_table(analyse(all_runs)).write(folder / REPORT_RUNS)
    return folder / REPORT_PAGE


def _run_directories(result: StudyResult, stage: str) -> list[Path]:
    """The directories of a stage's runs; beside them there may be runs of an earlier protocol."""
    tuning = [trial.outcomes for choice in result.choices for trial in choice.trials]
    by_cell = (result.repeats or ()) if stage == "repeat" else tuning
    directories = {outcome.directory for outcomes in by_cell for outcome in outcomes}
    return sorted(directory for directory in directories if directory.is_dir())


def _references(result: StudyResult) -> frozenset[Path]:
    """The repeats of the study's references, the cells with the best validation in tuning."""
    assert result.comparison is not None
    assert result.repeats is not None
    cells = zip(result.choices, result.repeats, result.comparison.rankings, strict=True)
    return resolved(
        outcome.directory
        for choice, outcomes, ranking in cells
        if choice.cell.name == ranking.winner
        for outcome in outcomes
    )


def _protocol_section(result: StudyResult) -> Section:
    protocol, validation = result.protocol, metric_title(result.choices[0].metric)
    trials = format_count(protocol.trials, "trial")
    mean = "mean " * (len(protocol.tunings) > 1)
    splits = len(protocol.repeat_splits)
    on_splits = f", and on {splits} splits of the data" * (splits > 1)
    lines = [
        f"Tuning: each of {len(protocol.cells)} cells had {trials} on "
        f"{format_tunings(protocol)}, "
        f"and the setting with the best {mean}{validation} was chosen. Repeats: the chosen settings were "
        f"trained on {format_seeds(protocol.repeat_seeds)}, which tuning did not use{on_splits}. Test: the "
        f"test set was looked at {count_looks(read_looks(result.directory))}.",
        "The other cells are compared with the one that had the best validation in tuning. Neither the test "
        "examples nor the repeats selected it, so the tests keep their significance level.",
    ]
    warnings = [f"Warning: {line}" for line in result.warnings]
    rows = [
        (
            choice.cell.name,
            format_setting_pairs(choice.best.setting) if choice.best else "all trials failed",
            format_number(choice.best.score if choice.best else None),
            f"{sum(trial.score is None for trial in choice.trials)} of {len(choice.trials)}",
            "; ".join(f"{key}: {dimension}" for key, dimension in choice.cell.space.items()),
        )
        for choice in result.choices
    ]
    headers = ("cell", "chosen", f"{validation} in tuning", "failed trials", "space")
    return Section("study", "The study", [*lines, *warnings], headers=headers, rows=rows, position="top")


def _tuning_sections(result: StudyResult) -> Iterator[Section]:
    lines = [
        "What a smaller budget would have given: the expected best of k trials, drawn without replacement "
        "from those that were run (Tang et al. 2020, arXiv 2004.13705; after Dodge et al. 2019, arXiv "
        "1909.03004). A failed trial counts as the worst. All scores are validation scores: no trial was "
        "tested.",
    ]
    yield Section("budget", "Performance against budget", lines, [_budget_curve(result)])
    tuning = analyse(collect(_run_directories(result, "tune")), result.choices[0].metric)
    figures, labels = [], []
    for index, task in enumerate(tuning.tasks):
        figure = lr_sensitivity(task, tuning, FigureOptions())
        if figure is not None:
            figures.append(replace(figure, id=f"{figure.id}-tuning-{index}"))
            labels.append(task.label)
    if figures:
        order = f" (in this order: {', '.join(labels)})" if any(labels) else ""
        yield Section("tuning", "Learning rates tried", [f"All trials, by learning rate{order}."], figures)


def _budget_curve(result: StudyResult) -> Figure:
    """The figure of the expected best validation score by number of trials, with a line for each cell."""
    cells = [index for index in result.order() if result.budget_curve(index)]
    names = unique_names([safe_text(result.choices[index].cell.name) for index in cells[:MOST_LINES]])
    data: list[Json] = []
    for position, (index, name) in enumerate(zip(cells, names, strict=False)):
        points = result.budget_curve(index)
        data.append(
            scatter(
                "lines+markers",
                name=name,
                x=[trials for trials, _ in points],
                y=[score for _, score in points],
                line=line_style(position),
                marker={"symbol": marker_symbol(position), "size": 7},
                hovertemplate="%{x} trials: %{y:.4f}<extra>" + name + "</extra>",
            )
        )
    steps = budgets(result.protocol.trials)
    validation = metric_title(result.choices[0].metric)
    caption = f"Expected {validation} of the best of a number of trials."
    if len(cells) > MOST_LINES:
        caption += f" {MOST_LINES} of {len(cells)} cells are shown."
    ticks = {"type": "log", "tickvals": steps, "ticktext": [str(step) for step in steps]}
    frame = layout("trials", validation, height=440, xaxis=ticks, showlegend=True)
    curves = {result.choices[index].cell.name: dict(result.budget_curve(index)) for index in cells}
    return Figure(
        "budget-curve",
        "Expected best by budget",
        caption,
        {(): {"data": data, "layout": frame}},
        headers=("cell", *(format_count(step, "trial") for step in steps)),
        rows=[(name, *(format_number(curve.get(step)) for step in steps)) for name, curve in curves.items()],
    )
