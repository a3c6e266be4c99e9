"""The tables that a report writes: runs.csv and summary.csv."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abreast.config.types import is_number
from abreast.metrics.registry import STAGES
from abreast.report.formatting import format_test
from abreast.report.groups import Analysis, Group
from abreast.report.settings import ABSENT, Scalar, format_setting
from abreast.runs.atomic import write_atomically
from abreast.runtime.printable import printable

FORMULAS = ("=", "+", "-", "@", *"\uff1d\uff0b\uff0d\uff20")  # the last four: wide ones


@dataclass(frozen=True)
class CsvTable:
    """Column names, and rows in which None is an empty cell."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    def write(self, path: Path) -> None:
        """Write the table as CSV; a file that is already there is replaced atomically."""
        write_atomically(path, self.text().encode("utf-8", "replace"))

    def text(self) -> str:
        """The table as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_inert, self.columns))
        writer.writerows(map(_inert, row) for row in self.rows)
        return text.getvalue()


def _inert(value: object) -> object:
    """A cell that no spreadsheet computes: text that could be a formula begins with a quote."""
    if not isinstance(value, str):
        return value
    value = printable(value)  # a carriage return would begin another row
    if not value.lstrip(" ").startswith(FORMULAS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def runs_table(analysis: Analysis) -> CsvTable:
    """Make the table with a row for each run: status, settings, metrics of its best epoch, command."""
    sweep = analysis.sweep
    metrics = {name for run in sweep.runs for name in run.metrics if name.count("/") == 1}
    names = sorted(metrics, key=_metric_order)
    columns = [
        *("run", "status", "reason"),
        *sweep.varied,
        *("seed", "epoch"),
        *names,
        *("seconds", "parameters", "duplicate_of", "command"),
    ]
    rows = [
        [
            *(run.name, run.status, run.reason or "; ".join(run.remarks)),
            *(_cell(run.settings.get(key, ABSENT)) for key in sweep.varied),
            *(run.seed, run.result.get("epoch")),
            *(run.metrics.get(name) for name in names),
            *(run.seconds, run.result.get("parameters"), run.duplicate_of),
            None if run.is_foreign else command_line(run.overrides),
        ]
        for run in sweep.runs
    ]
    return CsvTable(columns, rows)


def summary_table(analysis: Analysis) -> CsvTable:
    """Make the table with a row for each group: settings, statistics, comparison with the winner."""
    columns = [
        *analysis.sweep.varied,
        *("metric", "n", "mean", "sd", "low", "high", "selection", "selection_mean"),
        *("runs", "finished", "failed", "failure_rate", "running", "seconds"),
        *("collapsed", "collapse_rate", "collapse_rate_low", "collapse_rate_high"),
        *("verdict", "winner", "margin", "difference", "difference_low", "difference_high", "test", "p"),
        *("p_adjusted", "p_equivalent", "smallest_difference", "seeds_needed"),
    ]
    rows = [
        [
            *(_cell(value) for value in group.settings.values()),
            *(analysis.metric, group.summary.n, group.summary.mean, group.summary.sd),
            *(group.summary.low, group.summary.high, analysis.selection, group.selection_summary.mean),
            *(len(group.runs), group.count("finished"), group.count("failed"), group.failure_rate),
            *(group.count("running"), group.seconds, len(group.collapsed), group.collapse_rate),
            *(group.summary.collapsed_low, group.summary.collapsed_high, group.verdict),
            *_comparison(group, analysis),
        ]
        for group in analysis.groups
    ]
    return CsvTable(columns, rows)


def command_line(overrides: Sequence[str], *, multirun: bool = False) -> str:
    """Write the command that trains with some overrides.

    >>> command_line(["loss=mse", "model.hidden=[8, 4]"], multirun=True)
    "python train.py -m loss=mse 'model.hidden=[8, 4]'"
    """
    return shlex.join(["python", "train.py", *(["-m"] if multirun else []), *overrides])


def _comparison(group: Group, analysis: Analysis) -> list[object]:
    """The comparison of a group with the winner; empty cells for the winner."""
    c = group.comparison
    if c is None:
        return [None, analysis.margin, *[None] * 9]
    ends = (c.difference, c.low, c.high, format_test(c, group.unit), c.p, c.p_adjusted, c.p_equivalent)
    return [c.reference, analysis.margin, *ends, c.smallest_difference, c.seeds_needed]


def _metric_order(name: str) -> tuple[int, str]:
    stage, _, rest = name.partition("/")
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), rest)


def _cell(value: Scalar) -> Scalar:
    """Numbers as they are, everything else as Hydra writes it."""
    return value if is_number(value) else format_setting(value)
