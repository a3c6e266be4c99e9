"""Numbers, intervals and names as the terminal and the page show them."""

from __future__ import annotations

from abreast.metrics.registry import title
from abreast.report.groups import Group
from abreast.statistics.comparison import Comparison, Test, Verdict
from abreast.statistics.summary import Summary

STAGES = {"test": "test", "val": "validation", "train": "training"}
VERDICTS: dict[Verdict, str] = {
    "winner": "best",
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "not significantly different": "not sig. different",
    "inconclusive": "inconclusive",
    "collapsed": "collapsed",
    "untested": "no test",
}
TESTS: dict[Test, str] = {
    "paired t": "paired t test",
    "Welch t": "Welch's t test",
    "sign flip": "exact sign-flip test",
    "permutation": "exact permutation test",
    "none": "no test",
}


def metric_title(key: str) -> str:
    """Write a metric's key for readers.

    >>> metric_title("val/accuracy"), metric_title("test/accuracy/cat")
    ('validation accuracy', 'test accuracy of class cat')
    """
    stage, _, name = key.partition("/")
    name, _, class_name = name.partition("/")
    of_class = f" of class {class_name}" if class_name else ""
    return f"{STAGES.get(stage, stage)} {title(f'{stage}/{name}')}{of_class}"


def format_number(value: float | None) -> str:
    """Write a number with four decimals, or three significant digits if it is very large or small.

    >>> [format_number(value) for value in (0.97215, 12345.0, None)]
    ['0.9721', '1.23e+04', '—']
    """
    if value is None:
        return "—"
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{value:.4f}"
    return f"{value:.3g}"


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
    """Write `0.9721 ± 0.0040`: the mean and half the width of its interval, if there is one."""
    if summary.mean is None:
        return "no value"
    if summary.half is None:
        return format_number(summary.mean)
    return f"{format_number(summary.mean)} ± {format_number(summary.half)}"


def format_interval(summary: Summary) -> str:
    """Write `0.9681 to 0.9761`, or a dash without an interval."""
    if summary.low is None:
        return "—"
    return f"{format_number(summary.low)} to {format_number(summary.high)}"


def format_sample_size(n: int) -> str:
    """Write `n = 5 seeds`."""
    return f"n = {n} seed{'s' * (n != 1)}"


def format_failures(failed: int, runs: int) -> str:
    """Write `2 of 5 failed`; nothing if no run failed."""
    return f"{failed} of {runs} failed" if failed else ""


def verdict_label(group: Group) -> str:
    """Write in a word how a group compares with the winner."""
    return VERDICTS[group.verdict] if group.summary.n else "no value"


def format_test(comparison: Comparison) -> str:
    """Write a comparison's test with its sample size, such as `paired t test (5 pairs)`."""
    n = comparison.n
    size = f"{n[0]} pairs" if len(n) == 1 else f"{n[0]} and {n[1]} values"
    return f"{TESTS[comparison.test]} ({size})"
