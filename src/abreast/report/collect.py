"""All runs below some directories, found and put in order."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from abreast.errors import RunError
from abreast.report.identities import identify
from abreast.report.run import MARKERS, STATUSES, Run, RunReader, block_of
from abreast.runs.files import CHECKPOINTS, CONFIG, HYDRA, REPORT, RESULT, STATUS, STUDY, SWEEP

SKIPPED = (CHECKPOINTS, REPORT)  # directories of a run that hold no runs


@dataclass
class Sweep:
    """All runs below some directories.

    Attributes:
        directories: Where the runs were found.
        runs: The runs, ordered by their settings, then by seed.
        varied: The columns in which the runs' settings differ.
    """

    directories: tuple[Path, ...]
    runs: list[Run]
    varied: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Count the runs of each status that occurs."""
        counts = {status: sum(run.status == status for run in self.runs) for status in STATUSES}
        return {status: count for status, count in counts.items() if count}


def collect(directories: Sequence[Path]) -> Sweep:
    """Read all runs below some directories.

    Args:
        directories: Directories of sweeps or of runs.

    Returns:
        The runs, each one once even if the directories overlap.

    Raises:
        RunError: If a directory does not exist or there are no runs below them.
    """
    for directory in directories:
        if not directory.is_dir():
            raise RunError(f"{directory}: no such directory")
    paths = {path.resolve(): path for directory in directories for path in run_directories(directory)}
    if not paths:
        where = ", ".join(map(str, directories))
        raise RunError(
            f"{where}: contains no run (a run directory holds {CONFIG} and {STATUS}). Give the "
            "directory of a sweep or of a run"
        )
    reader = RunReader(Path(os.path.commonpath([directory.resolve() for directory in directories])))
    runs = [reader.read(path) for path in paths]
    varied = identify(runs)
    return in_order(directories, runs, varied)


def in_order(directories: Sequence[Path], runs: list[Run], varied: tuple[str, ...]) -> Sweep:
    """The sweep of some runs that have been identified."""
    runs.sort(key=_order)
    mark_duplicates(runs)
    return Sweep(tuple(directories), runs, varied)


def holds_runs(directories: Sequence[Path]) -> bool:
    """Whether one of some directories holds a run of abreast, or is missing, which `collect` says.

    Other tools write a config.yaml and a metrics.csv too, and Hydra its folder.
    """
    return any(
        not path.exists()
        or (path / SWEEP).exists()  # whose first run may have to be written yet
        or any((run / STATUS).exists() or (run / RESULT).exists() for run in run_directories(path))
        for path in directories
    )


def run_directories(directory: Path) -> Iterator[Path]:
    """The directories of the runs below a directory."""
    return topmost(directory, lambda _, names: _is_run(names))


def _is_run(names: Collection[str]) -> bool:
    """Whether a directory that holds these names is a run's, or was created for one that wrote nothing."""
    is_empty_run = HYDRA in names and SWEEP not in names and STUDY not in names
    return is_empty_run or any(marker in names for marker in MARKERS)


def topmost(directory: Path, is_wanted: Callable[[Path, Collection[str]], bool]) -> Iterator[Path]:
    """The directories at or below a directory that are wanted; what lies in one of these is not looked at.

    Args:
        directory: Where to look.
        is_wanted: Tells from a directory and the names in it whether it is.
    """
    return _topmost(directory, is_wanted, set())


def _topmost(
    directory: Path, is_wanted: Callable[[Path, Collection[str]], bool], seen: set[tuple[int, int]]
) -> Iterator[Path]:
    try:
        facts = directory.stat()
        if (facts.st_dev, facts.st_ino) in seen:  # links may lead in a circle
            return
        seen.add((facts.st_dev, facts.st_ino))
        with os.scandir(directory) as entries:
            content = {entry.name: entry for entry in entries}
        if is_wanted(directory, content.keys()):
            yield directory
            return
        below = [name for name, entry in content.items() if entry.is_dir() and not name.startswith(".")]
    except OSError:  # removed in the meantime, or no permission
        return
    for name in below:
        if name not in SKIPPED:
            yield from _topmost(directory / name, is_wanted, seen)


def _order(run: Run) -> tuple[object, ...]:
    """Sort key: settings (numbers as numbers), then seed; runs without a configuration come last."""
    values = tuple(
        (0, value, "") if isinstance(value, (int, float)) else (1, 0, str(value))
        for value in run.settings.values()
    )
    # Numbers in the name compare as numbers, so that run 2 comes before run 10.
    name = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", run.name)]
    return (not run.settings and not run.config, values, run.seed is None, run.seed or 0, name)


def mark_duplicates(runs: Sequence[Run], metric: str | None = None) -> None:
    """Of several runs with the same settings and seed only one counts: a finished one that has most to say.

    Args:
        runs: The runs.
        metric: What runs are compared by: one that has it counts before one that does not.
    """

    def rank(run: Run) -> tuple[bool, bool, bool, int]:
        is_tested = any(name.startswith("test/") for name in run.metrics)
        return (metric not in run.metrics, run.status != "finished", not is_tested, -len(run.metrics))

    first: dict[tuple[object, ...], Run] = {}
    for run in sorted(runs, key=rank):
        run.duplicate_of, run.duplicate_value = "", None
        if run.identified is not None and run.seed is not None:
            counted = first.setdefault((run.key, block_of(run)), run)
            if counted is not run:
                run.duplicate_of = counted.name
                value, other = run.metrics.get(str(metric)), counted.metrics.get(str(metric))
                run.duplicate_value = other if value is not None and value != other else None


def duplicate_notes(runs: Sequence[Run]) -> list[str]:
    """Say how many runs repeat another one with another result, which equal settings do not explain."""
    count = sum(run.duplicate_value is not None for run in runs)
    if not count:
        return []
    which = "1 run has" if count == 1 else f"{count} runs have"
    return [
        f"{which} the settings and the seed of another run, but another result: something differs that is "
        "not among the settings. One of each counts; all are listed below."
    ]
