"""The result in sentences, the same for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from abreast.metrics.registry import STAGE_TITLES
from abreast.report.example_text import example_sentences
from abreast.report.formatting import (
    format_difference,
    format_duration,
    format_first,
    format_interval,
    format_number,
    format_sample_size,
    metric_title,
)
from abreast.report.groups import Analysis, Group, Task
from abreast.report.method import method
from abreast.report.run import Run, block_of
from abreast.runs.diagnosis import fitted_level, likely_cause
from abreast.statistics.comparison import Verdict

MOST_LISTED = 4  # groups that a sentence lists


def headline(task: Task, analysis: Analysis) -> str:
    """Say which group is best, by which metric, with its mean, interval and number of seeds."""
    winner, metric = task.winner, metric_title(analysis.metric)
    if winner is None or winner.summary.mean is None:
        return _without_winner(task, analysis)
    summary = winner.summary
    value = f"{metric} {format_number(summary.mean)}"
    size = format_sample_size(summary.n, task.splits.unit)
    if summary.low is not None:
        value += f" (95% confidence interval {format_interval(summary)}, {size})"
    else:
        value += f" ({size}, so no interval)"
    if len(task.groups) == 1:
        return f"{value[0].upper()}{value[1:]}."
    criterion = metric_title(analysis.selection) if analysis.selection else metric
    return f"Best by {criterion}: {winner.label}, with {value}."


def findings(task: Task, analysis: Analysis) -> list[str]:
    """Say how the other groups compare with the best one, by which method, and which runs learned nothing."""
    winner = task.winner
    lines = []
    if winner is not None:
        others = [group for group in task.groups if group is not winner]
        lines += _comparisons(others, analysis, task.splits.unit)
        untested = [group for group in _with_verdict(others, "untested") if group.summary.n]
        if untested:
            lacking = "a group needs at least two runs that finished"
            reason = lacking if winner.summary.n > 1 else "each group has one run"
            lines.append(f"No significance test is possible for {_labels(untested)}: {reason}.")
        lines += method(task, analysis)
    if winner is not None and winner.label in task.ranking.more_collapsed:
        lines.append(
            f"{winner.label} is the best by the runs that learned something: a larger share of its runs "
            "collapsed than of other groups."
        )
    collapsed = [group for group in task.groups if group.collapsed]
    lines += [_collapse(group, task) for group in collapsed[:MOST_LISTED]]
    failed = [group for group in task.best if group.count("failed")]
    if failed:
        rates = ", ".join(
            f"{group.label} ({group.count('failed')} of {group.ended})" for group in failed[:MOST_LISTED]
        )
        lines.append(
            f"Among the best groups, runs failed in {rates}; their means cover the finished runs only."
        )
    return lines + example_sentences(task, analysis)


def _without_winner(task: Task, analysis: Analysis) -> str:
    """The headline where no group has a value."""
    collapsed = [group for group in task.groups if group.collapsed]
    if not collapsed:
        title = metric_title(analysis.metric)
        others = dict.fromkeys(name for group in task.groups for run in group.runs for name in run.metrics)
        more = ", ".join(list(others)[:MOST_LISTED])
        if others:
            return f"No run here has {title}; they have {more} (--metric)."
        failed = sum(group.count("failed") for group in task.groups)
        is_over = failed > 0 and failed == sum(len(group.runs) for group in task.groups)
        return f"No run has {title}: all {failed} failed." if is_over else f"No run has {title} yet."
    runs = sum(len(group.collapsed) for group in collapsed)
    return (
        "The run ended at chance: it learned nothing."
        if runs == 1
        else f"All {runs} runs ended at chance: they learned nothing."
    )


def _comparisons(others: Sequence[Group], analysis: Analysis, unit: str) -> list[str]:
    """What is known of the groups other than the best one, a sentence for each verdict."""
    metric, lines = metric_title(analysis.metric), []
    better, worse = _with_verdict(others, "better"), _with_verdict(others, "worse")
    if better:
        lines.append(f"Significantly better in {metric} than the group that was selected: {_labels(better)}.")
    equivalent = _with_verdict(others, "equivalent")
    if equivalent:
        lines.append(f"Equivalent to it within {analysis.margin:g}: {_labels(equivalent)}.")
    same = _with_verdict(others, "not significantly different")
    if same:
        lines.append(f"Not significantly different from it: {_labels(same)}.")
    inconclusive = _with_verdict(others, "inconclusive")
    if inconclusive:
        listed = _labels(inconclusive, [_seeds_needed(group) for group in inconclusive])
        lines.append(f"Inconclusive, too few {unit}s: {listed}.")
    if worse and len(worse) == len(others):
        several = f"All {len(worse)} other groups are" if len(worse) > 1 else "The other group is"
        lines.append(f"{several} significantly worse.")
    elif worse:
        lines.append(f"Significantly worse: {len(worse)} of the {len(others)} other groups.")
    return lines


def _seeds_needed(group: Group) -> str:
    """How many seeds, or splits, would show the difference that was seen."""
    comparison = group.comparison
    if comparison is None or comparison.seeds_needed is None:
        return ""
    seen = f"the difference of {format_difference(comparison.difference)} needs about"
    return f" ({seen} {comparison.seeds_needed} {group.unit}s in each group)"


def _collapse(group: Group, task: Task) -> str:
    """How many runs of a group ended at chance, and why that is likely."""
    share, chance = group.summary, group.chance
    runs = len(group.collapsed) + len(group.values)
    which = f"{len(group.collapsed)} of {runs} runs" if runs > 1 else "the run"
    where = f" in {group.label}," if len(task.groups) > 1 else ""
    line = f"Collapsed:{where} {which} ended at chance"
    if chance is not None:
        limit = f"{STAGE_TITLES[chance.stage]} accuracy of at most {format_number(chance.limit)}"
        line += f" ({limit}, which guessing reaches)"
    if runs > 1 and share.collapsed_low is not None and share.collapsed_high is not None:
        line += f"; the share has the 95% interval {share.collapsed_low:.0%} to {share.collapsed_high:.0%}"
    run = next(run for run in group.runs if run.is_collapsed)
    cause = likely_cause(run.config, run.curve, fitted=fitted_level(chance))
    others = " The mean is that of the other runs." if group.values else ""
    return f"{line}.{others} {cause}"


def exclusion_reason(run: Run, analysis: Analysis) -> str:
    """Say why no mean includes a run."""
    if run.duplicate_of:
        return f"{repeated(run)} as {run.duplicate_of}, which is counted instead{_other_value(run, analysis)}"
    if run.is_collapsed:
        return "ended at chance: counted apart from the mean"
    if run.status == "finished":
        return f"finished without {analysis.metric}"
    if run.status == "running" and run.idle_seconds is not None:
        return f"running; last wrote {format_duration(run.idle_seconds)} ago"
    reason = f"{run.status}: {run.reason}" if run.reason else run.status
    return f"{reason}{_last_epoch(run, analysis)}" if run.status == "dropped" else reason


def repeated(run: Run) -> str:
    """What a duplicate shares with the run that is counted."""
    _, split, fold = block_of(run)
    return "same settings and seed" + " and fold" * (fold is not None) + " and split" * (split != 0)


def _other_value(run: Run, analysis: Analysis) -> str:
    """The values of a duplicate and of the run that is counted, where they differ."""
    if run.duplicate_value is None:
        return ""
    value, counted = format_number(run.metrics[analysis.metric]), format_number(run.duplicate_value)
    return f", though its {metric_title(analysis.metric)} is {value}, not {counted}"


def _last_epoch(run: Run, analysis: Analysis) -> str:
    """The last validation of a run that was not trained to its end; it is not ranked."""
    column = f"val/{analysis.metric.partition('/')[2]}"
    values = [value for value in run.curve.get(column, []) if value == value]
    return (
        f"; {metric_title(column)} {format_number(values[-1])} in its last epoch, not ranked"
        if values
        else ""
    )


def _with_verdict(groups: Iterable[Group], verdict: Verdict) -> list[Group]:
    return [group for group in groups if group.verdict == verdict]


def _labels(groups: Sequence[Group], notes: Sequence[str] = ()) -> str:
    """The names of the first groups, each with its note."""
    notes = notes or [""] * len(groups)
    labels = [f"{group.label}{note}" for group, note in zip(groups, notes, strict=True)]
    return format_first(labels, MOST_LISTED)
