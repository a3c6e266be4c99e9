"""What lies below a folder: single runs, and sweeps, studies and decisions with their runs."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.metrics.registry import by_priority, direction
from abreast.report.collect import collect, topmost
from abreast.report.run import MARKERS, STATUSES, Run
from abreast.report.settings import settings_label
from abreast.runs.files import DECISION, STUDY, SWEEP
from abreast.runs.tags import read_tags

Kind = Literal["run", "sweep", "study", "decision"]
# The first that a directory holds says what it is.
CONTAINERS: tuple[tuple[str, Kind], ...] = ((DECISION, "decision"), (STUDY, "study"), (SWEEP, "sweep"))
SHOWN_GROUPS = ("data", "model", "loss", "optim")


@dataclass(frozen=True)
class Entry:
    """A line of the list.

    Attributes:
        path: The directory.
        name: The directory relative to the folder that is listed.
        kind: What the directory holds.
        runs: Its runs; one for a run.
        settings: What a run is, or what varies in a sweep.
        metric: The metric of `best`; "" if no run has finished.
        best: The best value of the runs that finished.
        tags: The words that a person has put on it.
        changed: When it was last written to, in seconds since 1970.
    """

    path: Path
    name: str
    kind: Kind
    runs: tuple[Run, ...]
    settings: str
    metric: str
    best: float | None
    tags: tuple[str, ...]
    changed: float

    def counts(self) -> dict[str, int]:
        """Count the runs of each status that occurs."""
        counts = Counter(run.status for run in self.runs)
        return {status: counts[status] for status in STATUSES if counts[status]}

    def as_json(self) -> Json:
        """The line as plain data."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "runs": self.counts(),
            "settings": self.settings,
            "metric": self.metric or None,
            "best": self.best,
            "tags": list(self.tags),
            "changed": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(self.changed)),
        }


def kind_of(directory: Path) -> Kind | None:
    """What a directory holds; None if it is neither a run's nor a sweep's."""
    for name, kind in CONTAINERS:
        if (directory / name).is_file():
            return kind
    return "run" if any((directory / name).is_file() for name in MARKERS) else None


def entries(folder: Path) -> list[Entry]:
    """List what lies below a folder, the oldest first; of a sweep's directory its runs.

    Args:
        folder: A directory of runs and sweeps, or of one sweep.

    Raises:
        RunError: If the directory does not exist or holds nothing.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: no such directory")
    kind = kind_of(folder)
    if kind is not None:
        sweep = collect([folder])
        listed = [_entry(run.path, folder, "run", [run], _settings(run)) for run in sweep.runs]
    else:
        listed = [
            entry
            for path in topmost(folder, lambda path, _: kind_of(path) is not None)
            for entry in _read(path, folder)
        ]
    if not listed:
        raise RunError(f"{folder}: contains no run yet. Train one: abreast loss=cross_entropy optim=adam")
    return sorted(listed, key=lambda entry: (entry.changed, entry.name)) if kind is None else listed


def _read(path: Path, folder: Path) -> Iterator[Entry]:
    kind = kind_of(path)
    if kind is None:  # removed in the meantime
        return
    try:
        sweep = collect([path])
    except RunError:  # a sweep that was stopped before its first run
        yield _entry(path, folder, kind, [], "")
        return
    settings = _options(sweep.runs[0]) if kind == "run" else ", ".join(sweep.varied) or "seed"
    yield _entry(path, folder, kind, sweep.runs, settings)


def _entry(path: Path, folder: Path, kind: Kind, runs: Sequence[Run], settings: str) -> Entry:
    metric = next((name for name in _metrics() if any(name in run.metrics for run in runs)), "")
    values = [run.metrics[metric] for run in runs if metric in run.metrics and not run.duplicate_of]
    best = (max if direction(metric) == "max" else min)(values) if values else None
    name = os.path.relpath(path, folder)
    name = path.resolve().name if name == "." else name
    changed = max((_changed(run.path) for run in runs), default=_changed(path))
    return Entry(path, name, kind, tuple(runs), settings, metric, best, read_tags(path), changed)


def _settings(run: Run) -> str:
    """What tells a run of a sweep from the others."""
    if not run.settings:
        return _options(run)
    seed = [f"seed={run.seed}"] if run.seed is not None else []
    return " ".join([settings_label(run.settings), *seed])


def _options(run: Run) -> str:
    """What a run is: the options of its groups, and its seed."""
    names = [str(run.config[group]) for group in SHOWN_GROUPS if group in run.config]
    return " ".join([*names, *([f"seed={run.seed}"] if run.seed is not None else [])])


def _metrics() -> Iterator[str]:
    for stage in ("test", "val"):
        yield from (f"{stage}/{metric.name}" for metric in by_priority())


def _changed(path: Path) -> float:
    """When training last wrote there: a tag or an exported file, which came later, does not count."""
    times = []
    for name in MARKERS:
        with suppress(OSError):
            times.append((path / name).stat().st_mtime)
    if not times:
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times, default=0.0)
