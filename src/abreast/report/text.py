"""The result in sentences, the same for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from abreast.report.example_text import example_sentences
from abreast.report.formatting import (
    format_duration,
    format_interval,
    format_number,
    format_sample_size,
    format_test,
    metric_title,
)
from abreast.report.groups import Analysis, Group, Task
from abreast.report.run import Run
from abreast.statistics.comparison import ALPHA, Verdict

FEW_SEEDS = 5  # with fewer, an inconclusive result needs an explanation
MOST_LISTED = 4  # groups that a sentence lists


def headline(task: Task, analysis: Analysis) -> str:
    """Say which group is best, by which metric, with its mean, interval and number of seeds."""
    winner = task.winner
    if winner is None or winner.summary.mean is None:
        return f"No run has {metric_title(analysis.metric)} yet."
    summary, metric = winner.summary, metric_title(analysis.metric)
    value = f"{metric} {format_number(summary.mean)}"
    size = format_sample_size(summary.n)
    if summary.half is not None:
        value += f" (95% confidence interval {format_interval(summary)}, {size})"
    else:
        value += f" ({size}, so no interval)"
    criterion = metric_title(analysis.selection) if analysis.selection else metric
    return f"Best by {criterion}: {winner.label}, with {value}."


def findings(task: Task, analysis: Analysis) -> list[str]:
    """Say how the other groups compare with the best one, by which test, and what limits the comparison."""
    winner = task.winner
    if winner is None:
        return []
    others = [group for group in task.groups if group is not winner]
    untested = [group for group in _with_verdict(others, "untested") if group.summary.n]
    inconclusive = [
        group for group in others if group.verdict in ("not significantly different", "inconclusive")
    ]
    better = _with_verdict(others, "better")
    worse = _with_verdict(others, "worse")
    lines = []
    if inconclusive:
        lines.append(f"Not significantly different from it: {_labels(inconclusive)}.")
    elif worse and not untested and not better:
        lines.append(
            f"All {len(worse)} other groups are significantly worse."
            if len(worse) > 1
            else "The other group is significantly worse."
        )
    elif worse:
        lines.append(f"Significantly worse: {len(worse)} of the {len(others)} other groups.")
    if better:
        lines.append(
            f"Significantly better on the test set than the group selected by validation: {_labels(better)}."
        )
    if untested:
        reason = (
            "a group needs at least two finished seeds" if winner.summary.n > 1 else "each group has one seed"
        )
        lines.append(f"No significance test is possible for {_labels(untested)}: {reason}.")
    lines += _method(others, analysis)
    if inconclusive and winner.summary.n < FEW_SEEDS:
        lines.append(
            f"With {winner.summary.n} seeds only large differences can be detected: an inconclusive "
            "comparison does not show that two groups are equal."
        )
    failed = [group for group in task.best if group.count("failed")]
    if failed:
        rates = ", ".join(
            f"{group.label} ({group.count('failed')} of {group.ended})" for group in failed[:MOST_LISTED]
        )
        lines.append(
            f"Among the best groups, runs failed in {rates}; their means cover the finished runs only."
        )
    return lines + example_sentences(task, analysis)


def exclusion_reason(run: Run, analysis: Analysis) -> str:
    """Say why no mean includes a run."""
    if run.duplicate_of:
        return f"same settings and seed as {run.duplicate_of}, which is counted instead"
    if run.status == "finished":
        return f"finished without {analysis.metric}"
    if run.status == "running" and run.idle_seconds is not None:
        return f"running; last wrote {format_duration(run.idle_seconds)} ago"
    return f"{run.status}: {run.reason}" if run.reason else run.status


def _method(others: Iterable[Group], analysis: Analysis) -> list[str]:
    tested = [group.comparison for group in others if group.comparison and group.comparison.p is not None]
    if not tested:
        return []
    tests = sorted({format_test(comparison) for comparison in tested})
    correction = f", p-values corrected for {len(tested)} comparisons (Holm)" if len(tested) > 1 else ""
    lines = [
        f"Each group's {metric_title(analysis.metric)} was compared with that of the best group: "
        f"{_tests(tests)}, two-sided{correction}, significance level {ALPHA:g}."
    ]
    if analysis.selection is None:
        lines.append(
            "Without a validation metric, the best group was selected by the same values that are compared: "
            "this makes it look better than it is."
        )
    return lines


def _with_verdict(groups: Iterable[Group], verdict: Verdict) -> list[Group]:
    return [group for group in groups if group.verdict == verdict]


def _tests(tests: Sequence[str]) -> str:
    if len(tests) <= 2:
        return " or ".join(tests)
    kinds = sorted({test.partition(" (")[0] for test in tests})
    return f"{' or '.join(kinds)} (sample sizes in the table)"


def _labels(groups: Sequence[Group]) -> str:
    listed = "; ".join(group.label for group in groups[:MOST_LISTED])
    more = len(groups) - MOST_LISTED
    return f"{listed}; and {more} more" if more > 0 else listed
