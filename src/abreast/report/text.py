"""The answer in sentences and numbers, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.report.groups import Answer, Group, Task
from abreast.statistics.comparison import ALPHA, Comparison, Summary

NAMES = {
    "accuracy": "accuracy",
    "loss": "loss",
    "ece": "calibration error",
    "mae": "mean absolute error",
    "r2": "R²",
}
STAGES = {"test": "test", "val": "validation", "train": "training"}
VERDICTS = {"winner": "best", "tie": "tie", "worse": "worse", "better": "better", "untested": "no test"}
FEW = 5  # seeds
LISTED = 4  # groups that a sentence names


def metric_name(metric: str) -> str:
    """`val/accuracy` as `validation accuracy`."""
    stage, _, name = metric.partition("/")
    first, _, rest = name.partition("/")
    return f"{STAGES.get(stage, stage)} {NAMES.get(first, first)}" + (f" of class {rest}" if rest else "")


def number(value: float | None) -> str:
    """Four digits after the point, or three that count where the value is large or tiny; a dash for none."""
    if value is None:
        return "—"
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{value:.4f}"
    return f"{value:.3g}"


def p_value(p: float | None) -> str:
    """A p-value as papers print it."""
    if p is None:
        return "—"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """A duration in the unit that fits."""
    if value is None:
        return "—"
    if value >= 5400:
        return f"{value / 3600:.1f} h"
    return f"{value / 60:.1f} min" if value >= 90 else f"{value:.3g} s"


def mean_and_half(summary: Summary) -> str:
    """`0.9721 ± 0.0040`, the half width of the interval; without ± where there is none."""
    if summary.mean is None:
        return "no value"
    if summary.half is None:
        return number(summary.mean)
    return f"{number(summary.mean)} ± {number(summary.half)}"


def interval(summary: Summary) -> str:
    """`0.9681 to 0.9761`, or a dash."""
    return "—" if summary.low is None else f"{number(summary.low)} to {number(summary.high)}"


def verdict(group: Group) -> str:
    """How a group stands to the winner, in a word: a tie is what cannot be told apart from it."""
    return VERDICTS[group.verdict] if group.summary.n else "no value"


def seeds(n: int) -> str:
    """`n = 5 seeds`."""
    return f"n = {n} seed{'s' * (n != 1)}"


def test_name(each: Comparison) -> str:
    """A comparison's test and how many values it had."""
    names = {
        "paired t": "paired t test",
        "Welch t": "Welch's t test",
        "sign flips": "exact sign-flip test",
        "relabelling": "exact permutation test",
        "none": "no test",
    }
    n = f"{each.n[0]} pairs" if len(each.n) == 1 else f"{each.n[0]} and {each.n[1]} values"
    return f"{names[each.test]}, {n}"


def headline(task: Task, found: Answer) -> str:
    """Who won, with what, over how many seeds."""
    winner = task.winner
    if winner is None or winner.summary.mean is None:
        return f"No run has {metric_name(found.metric)} yet."
    summary, name = winner.summary, metric_name(found.metric)
    value = f"{name} {number(summary.mean)}"
    if summary.half is not None:
        value += f" (95 % interval {interval(summary)}, {seeds(summary.n)})"
    else:
        value += f" ({seeds(summary.n)}: no interval)"
    chosen = f"Best by {metric_name(found.selection)}" if found.selection else f"Best by {name}"
    return f"{chosen}: {winner.label}, with {value}."


def sentences(task: Task, found: Answer) -> list[str]:
    """What stands below the headline: ties, what cannot be tested or does better, and by which test."""
    winner = task.winner
    if winner is None:
        return []
    others = [group for group in task.groups if group is not winner]
    by = {name: [group for group in others if group.verdict == name] for name in VERDICTS}
    untested = [group for group in by["untested"] if group.summary.n]
    lines = []
    if by["tie"]:
        lines.append(f"Not distinguishable from it: {_list(by['tie'])}.")
    elif by["worse"] and not untested and not by["better"]:
        lines.append(
            f"All {len(by['worse'])} others are worse." if len(by["worse"]) > 1 else "The other is worse."
        )
    elif others and not by["tie"] and by["worse"]:
        lines.append(f"Shown to be worse: {len(by['worse'])} of {len(others)} others.")
    if by["better"]:
        lines.append(f"Better on the test rows than the one that validation chose: {_list(by['better'])}.")
    if untested:
        reason = "a group needs two finished seeds" if winner.summary.n > 1 else "there is one seed each"
        lines.append(f"No test is possible for {_list(untested)}: {reason}.")
    tests = sorted(
        {
            test_name(group.comparison)
            for group in others
            if group.comparison and group.comparison.p is not None
        }
    )
    if tests:
        count = sum(1 for group in others if group.comparison and group.comparison.p is not None)
        correction = f", p corrected by Holm for {count} comparisons" if count > 1 else ""
        lines.append(
            f"Compared was the {metric_name(found.metric)} of each group with the winner's: "
            f"{_tests(tests)}, two-sided{correction}, level {ALPHA:g}."
        )
    if tests and found.selection is None:
        lines.append(
            "There is no validation metric: the winner was chosen by the values that are compared, which "
            "makes it look better than it is."
        )
    rates = [group for group in task.best if group.count("failed")]
    if by["tie"] and winner.summary.n < FEW:
        lines.append(
            f"With {winner.summary.n} seeds only large differences show: a tie says that this sweep cannot "
            "tell, not that two are equal."
        )
    if rates:
        lines.append(
            "Of the best, runs failed in "
            + ", ".join(
                f"{group.label} ({group.count('failed')} of {group.ended})" for group in rates[:LISTED]
            )
            + ": their means are of the runs that survived."
        )
    return lines


def _tests(tests: Sequence[str]) -> str:
    if len(tests) <= 2:
        return " or ".join(tests)
    kinds = sorted({test.split(",")[0] for test in tests})
    return f"{' or '.join(kinds)} (n beside each)"


def _list(groups: Sequence[Group]) -> str:
    named = "; ".join(group.label for group in groups[:LISTED])
    more = len(groups) - LISTED
    return f"{named}; and {more} more" if more > 0 else named
