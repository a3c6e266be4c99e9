"""The page's tables of groups and of runs."""

from __future__ import annotations

from collections.abc import Mapping

from abreast.config.types import is_number
from abreast.report.formatting import (
    ROUNDING,
    format_collapsed,
    format_difference_ends,
    format_interval,
    format_test,
    metric_title,
    verdict_label,
)
from abreast.report.groups import Analysis, Group, Task
from abreast.report.html.elements import Column, Table
from abreast.report.markup import latex_table, markdown_table
from abreast.report.settings import ABSENT, Scalar, format_setting
from abreast.report.text import exclusion_reason
from abreast.statistics.comparison import Comparison
from abreast.statistics.summary import Summary


def groups_table(task: Task, analysis: Analysis, run_rows: Mapping[int, int], name: str) -> Table:
    """Make the table with a row for each group.

    Args:
        task: The groups.
        analysis: The analysis that they are from.
        run_rows: The row of each run in the table of runs, by the `id` of the run.
        name: The table's key in the page.
    """
    metric, unit = metric_title(analysis.metric), task.splits.unit
    has_failures = any(group.count("failed") for group in task.groups)
    failed = Column("failed", "count", "runs that failed", is_alarming=True)
    failure_rate = Column("failure rate", "share", "failed runs among those that ended", is_alarming=True)
    has_collapsed = any(group.collapsed for group in task.groups)
    collapsed = Column("collapsed", "count", "runs that ended at chance, with the share's 95% interval", True)
    validation = Column("validation", "number", "the same metric on the validation set")
    columns = [
        *(Column(key) for key in analysis.keys),
        Column(metric, "number", f"mean over the {unit}s that finished"),
        Column("verdict", "text", "how the group compares with the best"),
        Column("95% interval", "number", "confidence interval of the mean"),
        Column("n", "count", f"{unit}s that finished and did better than guessing"),
        *([failed, failure_rate] if has_failures else []),
        *([collapsed] if has_collapsed else []),
        Column("difference", "difference", f"{metric} minus that of the best"),
        Column("its interval", "number", "95% for all comparisons together"),
        Column("p", "p", "corrected for all comparisons with the best"),
        Column("detectable", "number", f"smallest difference that this many {unit}s show in 80% of sweeps"),
        Column(f"{unit}s needed", "count", "in each group, to show the difference seen in 80% of sweeps"),
        *([validation] if analysis.selection else []),
        Column("sd", "number", f"sample standard deviation over {unit}s"),
        Column("time", "seconds", "mean over the runs that finished"),
        Column("test"),
    ]
    rows = []
    for group in task.groups:
        summary, comparison = group.summary, group.comparison
        rows.append(
            [
                *(_cell(group.settings[key]) for key in analysis.keys),
                *(_seven_digits(summary.mean), verdict_label(group), format_interval(summary), summary.n),
                *([group.count("failed"), _seven_digits(group.failure_rate)] if has_failures else []),
                *([_collapsed(group)] if has_collapsed else []),
                *_compared(comparison),
                *([_seven_digits(group.selection_summary.mean)] if analysis.selection else []),
                *(_spread(summary), _seven_digits(group.seconds)),
                format_test(comparison, group.unit) if comparison and comparison.p is not None else "",
            ]
        )
    return Table(
        name,
        "A row: runs that differ only in the seed" + f" or the {unit}" * (task.splits.count > 1),
        columns,
        rows,
        select=len(analysis.keys) + 1,  # the verdict
        classes=[_row_class(group) for group in task.groups],
        details=[[run_rows[id(run)] for run in group.runs] for group in task.groups],
        copies={"Markdown": markdown_table(task, analysis), "LaTeX": latex_table(task, analysis)},
    )


def runs_table(analysis: Analysis) -> Table:
    """Make the table with a row for each run, in the order of the sweep."""
    sweep = analysis.sweep
    columns = [
        *(Column(key) for key in sweep.varied),
        Column("seed", "count"),
        Column("status"),
        Column(metric_title(analysis.metric), "number"),
        *([Column("validation", "number")] if analysis.selection else []),
        Column("epoch", "count", "of the weights that were tested"),
        Column("time", "seconds"),
        Column("note"),
        Column("directory"),
    ]
    rows: list[list[object]] = []
    for run in sweep.runs:
        is_excluded = run.duplicate_of or run.is_collapsed or analysis.metric not in run.metrics
        note = exclusion_reason(run, analysis).removeprefix(f"{run.status}: ") if is_excluded else ""
        metrics = [run.metrics.get(key) for key in (analysis.metric, analysis.selection) if key]
        rows.append(
            [
                *(_cell(run.settings.get(key, ABSENT)) for key in sweep.varied),
                *(run.seed, run.status, *map(_seven_digits, metrics)),
                *(run.result.get("epoch"), run.seconds, note, run.name),
            ]
        )
    return Table("runs", "Each row is a run", columns, rows, select=len(sweep.varied) + 1)


def _compared(comparison: Comparison | None) -> list[object]:
    """The cells of a comparison: difference, interval, p-value, smallest detectable difference, seeds."""
    if comparison is None:
        return [None] * 5
    return [
        _seven_digits(comparison.difference),
        format_difference_ends(comparison),
        _seven_digits(comparison.p_adjusted),
        _seven_digits(comparison.smallest_difference),
        comparison.seeds_needed,
    ]


def _collapsed(group: Group) -> str:
    """`2 of 5 (5% to 85%)`."""
    count, summary = format_collapsed(group), group.summary
    if not count or summary.collapsed_low is None or summary.collapsed_high is None:
        return count
    return f"{count} ({summary.collapsed_low:.0%} to {summary.collapsed_high:.0%})"


def _row_class(group: Group) -> str:
    has_verdict = group.summary.n or group.collapsed
    return group.verdict.replace(" ", "-") if has_verdict else "none"


def _cell(value: Scalar) -> str | float:
    """A finite number as it is, so that it sorts as one; anything else as text."""
    if is_number(value) and abs(value) < float("inf"):
        return value
    return format_setting(value)


def _spread(summary: Summary) -> float | None:
    """The standard deviation; that of values that rounding alone tells apart is 0."""
    if summary.sd is not None and summary.mean is not None and summary.sd <= ROUNDING * abs(summary.mean):
        return 0.0
    return _seven_digits(summary.sd)


def _seven_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")
