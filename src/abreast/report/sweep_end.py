"""The best groups at the end of a sweep: as in its report, without the page."""

from __future__ import annotations

import logging
from pathlib import Path

from abreast.errors import AbreastError
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.terminal import print_best
from abreast.runtime.console import console
from abreast.runtime.user_path import path_argument

MOST_GROUPS = 8
ANNOUNCED = 500  # runs that take about a second to read

log = logging.getLogger(__name__)


def to_compare(directory: Path) -> str:
    """The line that names the command for a sweep's report, as a shell takes it."""
    return f"To compare them: abreast report {path_argument(directory)}"


def print_best_groups(directory: Path, runs: int) -> None:
    """Print the table of a sweep's best groups, with n and interval, and which one is best.

    Nothing where there is nothing to compare: no run has a metric.

    Args:
        directory: The sweep's directory.
        runs: How many runs it has, about.
    """
    if runs >= ANNOUNCED:
        log.info("Comparing %s runs", f"{runs:,}")
    try:
        analysis = analyse(collect([directory]))
    except (AbreastError, OSError) as error:  # of files that others have damaged: the report says more
        log.info("The runs cannot be compared now: %s", error)
        return
    if any(group.values or group.collapsed for group in analysis.groups):
        print_best(analysis, console(), MOST_GROUPS)
