"""`abreast report --watch`: the report of a sweep while it runs, made again when its results change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from abreast.errors import RunError
from abreast.report.collect import holds_runs, run_directories
from abreast.report.formatting import format_count, format_statuses
from abreast.report.text import headline
from abreast.report.write import Report
from abreast.runs.files import METRICS, REPORT, RESULT, STATUS
from abreast.runtime.directory_lock import is_used

PAUSE = 2.0  # seconds between two looks at the files
SHARE = 5  # times as long as a report takes is the least time until the next one
RELOAD = 5  # seconds after which the page loads itself again
MOST_FILES = 100_000  # of others, that are looked at

State = dict[str, tuple[int, int]]  # modification time and size of the files that change


def watch(
    directories: Sequence[Path],
    make: Callable[[int | None], Report],
    say: Callable[[str], None],
    sleep: Callable[[float], object] = time.sleep,
) -> Report:
    """Make the report now and whenever results change, until nothing of the sweeps is under way.

    Files of runs that others trained do not say when these end: they are watched until Ctrl-C.

    Args:
        directories: Directories of sweeps or of runs, or what holds the runs of others.
        make: Makes the report; takes the seconds after which its page loads itself again, None for never.
        say: Shows a line on each report.
        sleep: Waits so many seconds.

    Returns:
        The last report.

    Raises:
        RunError: There is nothing to report, and nothing under way that could change that.
    """
    seen: State | None = None
    report, said, took = None, "", 0.0
    is_foreign = not any(map(is_used, directories)) and not holds_runs(directories)
    while True:
        # Before the files are read: what ends later is seen.
        is_under_way = is_foreign or any(map(is_used, directories))
        state = _state(_foreign_files(directories) if is_foreign else _run_files(directories))
        if state != seen or not is_under_way:
            begun = time.monotonic()
            try:
                report = make(RELOAD if is_under_way else None)
                line = _line(report)
            except RunError as error:
                if not is_under_way or (is_foreign and report is None):
                    raise
                line = str(error) if state else "no run has begun yet"
            if report is not None and not is_under_way:
                if not report.analysis.sweep.counts().get("running"):
                    return report
                report = make(RELOAD)  # a run that no sweep holds
            if line != said:
                say(line if said or not is_foreign else f"{line} Watching until Ctrl-C")
            seen, said, took = state, line, time.monotonic() - begun
        sleep(max(PAUSE, SHARE * took))


def _run_files(directories: Sequence[Path]) -> Iterator[str]:
    """The files of runs that change with their results."""
    for directory in directories:
        for run in run_directories(directory):
            for name in (STATUS, RESULT, METRICS):
                yield os.path.join(run, name)  # noqa: PTH118  (thousands of them)


def _foreign_files(paths: Sequence[Path]) -> Iterator[str]:
    """The files that runs of others may be in, at most so many."""
    files = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*")))
    return islice((str(file) for file in files if REPORT not in file.parts), MOST_FILES)


def _state(files: Iterable[str]) -> State:
    """What tells whether files have changed, without reading them."""
    state: State = {}
    for file in files:
        with suppress(OSError):  # it may be gone again
            facts = os.stat(file)  # noqa: PTH116
            state[file] = (facts.st_mtime_ns, facts.st_size)
    return state


def _line(report: Report) -> str:
    """How many runs there are, and the best group so far."""
    sweep = report.analysis.sweep
    best = [headline(task, report.analysis) for task in report.analysis.tasks[:1]]
    return f"{format_count(len(sweep.runs), 'run')}: {format_statuses(sweep)}. {' '.join(best)}"
