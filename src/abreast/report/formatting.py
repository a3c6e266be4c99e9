"""Numbers, intervals and names as the terminal and the page show them."""

from __future__ import annotations

from collections.abc import Sequence

from abreast.metrics.registry import STAGE_TITLES, title
from abreast.report.collect import Sweep
from abreast.report.groups import Group
from abreast.statistics.comparison import Comparison, Test, Verdict
from abreast.statistics.summary import Summary

ROUNDING = 1e-6  # differences below are of rounding: metrics are kept in seven digits
TESTS: dict[Test, str] = {
    "paired t": "paired t test",
    "blocked t": "t test over common {}s",
    "Welch t": "Welch's t test",
    "none": "no test",
}


def format_verdict(verdict: Verdict, unit: str = "seed") -> str:
    """Write a verdict for readers.

    Args:
        verdict: The verdict.
        unit: What a value stands for: a `seed`, a `split` or a `fold`.

    >>> format_verdict("inconclusive", "split"), format_verdict("winner")
    ('inconclusive: too few splits', 'best')
    """
    return {"winner": "best", "inconclusive": f"inconclusive: too few {unit}s"}.get(verdict, verdict)


def metric_title(key: str) -> str:
    """Write a metric's key for readers.

    >>> metric_title("val/accuracy"), metric_title("test/accuracy/cat")
    ('validation accuracy', 'test accuracy of class cat')
    """
    stage, _, name = key.partition("/")
    name, _, class_name = name.partition("/")
    of_class = f" of class {class_name}" if class_name else ""
    return f"{STAGE_TITLES.get(stage, stage)} {title(f'{stage}/{name}')}{of_class}"


def format_number(value: float | None, like: float | None = None) -> str:
    """Write a number with four decimals, a large one with fewer, an extreme one with three digits.

    Args:
        value: The number.
        like: A larger number that it is shown beside, whose decimals it gets.

    >>> [format_number(value) for value in (0.97215, 84.2041, 12345.0, 1.5e8, None)]
    ['0.9721', '84.20', '12345', '1.5e+08', '—']
    >>> format_number(0.40412, like=84.2)
    '0.40'
    """
    if value is None:
        return "—"
    size = max(abs(value), abs(like or 0.0))
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        return f"{value:.{4 if size < 10 else 2 if size < 1000 else 1 if size < 1e4 else 0}f}"
    return f"{value:.3g}"


def format_difference(value: float | None, like: float | None = None) -> str:
    """Write a difference with its sign, in as many digits as `format_number` gives it beside `like`.

    >>> format_difference(-0.0021), format_difference(0.5), format_difference(-6.67e-8)
    ('-0.0021', '+0.5000', '0.0000')
    """
    if value is None:
        return "—"
    if abs(value) < ROUNDING:
        return format_number(0.0)
    return f"{'-' if value < 0 else '+'}{format_number(abs(value), like)}"


def format_difference_ends(comparison: Comparison) -> str:
    """Write the simultaneous interval of a difference, `-0.0344 to -0.0076`; nothing without one."""
    if comparison.low is None or comparison.high is None:
        return ""
    widest = max(abs(comparison.low), abs(comparison.high))
    return f"{format_difference(comparison.low, widest)} to {format_difference(comparison.high, widest)}"


def format_difference_interval(comparison: Comparison) -> str:
    """Write `-0.0210 (-0.0344 to -0.0076)`: a difference with its simultaneous interval, if there is one."""
    ends = format_difference_ends(comparison)
    widest = max((abs(end) for end in (comparison.low, comparison.high) if end is not None), default=None)
    return format_difference(comparison.difference, widest) + (f" ({ends})" if ends else "")


def format_p_value(p: float | None) -> str:
    """Write a p-value with three decimals, `< 0.001` for smaller ones."""
    if p is None:
        return "—"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_duration(seconds: float | None) -> str:
    """Write a duration in seconds, minutes or hours."""
    if seconds is None:
        return "—"
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.3g} s"


def format_mean(summary: Summary) -> str:
    """Write `0.9721 ± 0.0040`: the mean and half the width of its interval, if there is one.

    An interval that is not symmetric, as at the end of the metric's range, is written with its ends.

    >>> format_mean(Summary(3, 0.99, 0.01, 0.965, 1.0))
    '0.9900 (0.9650 to 1.0000)'
    """
    if summary.mean is None:
        return "no value"
    if summary.low is None or summary.high is None or summary.half is None:
        return format_number(summary.mean)
    if abs(summary.high + summary.low - 2 * summary.mean) > 0.02 * (summary.high - summary.low):
        return f"{format_number(summary.mean)} ({format_interval(summary)})"
    return f"{format_number(summary.mean)} ± {format_half(summary.half, summary.mean)}"


def format_half(half: float, value: float) -> str:
    """Write half the width of an interval in the decimals of the value that it is about.

    >>> format_half(0.00402, 0.97), format_half(3e-9, 0.97), format_half(0.0, 0.97), format_half(3e-9, 5e-8)
    ('0.0040', '< 0.0001', '< 0.0001', '3e-09')
    """
    return "< 0.0001" if half < 5e-5 and abs(value) >= 1e-3 else format_number(half, value)


def format_interval(summary: Summary) -> str:
    """Write `0.9681 to 0.9761`, or a dash without an interval."""
    if summary.low is None:
        return "—"
    return f"{format_number(summary.low, summary.mean)} to {format_number(summary.high, summary.mean)}"


def format_count(count: int, noun: str) -> str:
    """Write `1 run` or `5 runs`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def format_statuses(sweep: Sweep) -> str:
    """Write how many runs have which status: `4 finished, 1 failed`."""
    return ", ".join(f"{count} {status}" for status, count in sweep.counts().items())


def format_first(items: Sequence[str], most: int) -> str:
    """Write the first of some texts, and how many more there are.

    >>> format_first(["adam", "sgd", "lion"], 2)
    'adam; sgd; and 1 more'
    """
    more = len(items) - most
    return "; ".join([*items[:most], *([f"and {more} more"] if more > 0 else [])])


def format_sample_size(n: int, unit: str = "seed") -> str:
    """Write `n = 5 seeds`."""
    return f"n = {format_count(n, unit)}"


def format_part(count: int, runs: int) -> str:
    """Write `2 of 5`; nothing for none."""
    return f"{count} of {runs}" if count else ""


def format_failed(group: Group) -> str:
    """Write how many runs of a group failed, `2 of 5`; nothing if none did."""
    return format_part(group.count("failed"), len(group.runs))


def format_collapsed(group: Group) -> str:
    """Write how many runs of a group ended at chance, `2 of 5`; nothing if none did."""
    return format_part(len(group.collapsed), len(group.collapsed) + len(group.values))


def verdict_label(group: Group) -> str:
    """Write in a word how a group compares with the winner."""
    if group.verdict == "collapsed":
        return f"collapsed ({len(group.collapsed)} of {len(group.collapsed)})"
    if group.summary.n:
        return format_verdict(group.verdict, group.unit)
    epochs = {len(run.curve.get("epoch", ())) for run in group.runs if run.status == "dropped"}
    if group.count("dropped") < len(group.runs) or not any(epochs):
        return "no value"
    return f"dropped after {format_count(max(epochs), 'epoch')}"


def test_title(test: Test, unit: str) -> str:
    """Write a test's name; `unit` is what a value stands for."""
    return TESTS[test].format(unit)


def format_test(comparison: Comparison, unit: str = "seed") -> str:
    """Write a comparison's test with its sample size, such as `paired t test (5 pairs)`."""
    n = comparison.n
    size = f"{n[0]} pairs" if len(n) == 1 else f"{n[0]} and {n[1]} values"
    return f"{test_title(comparison.test, unit)} ({size})"
