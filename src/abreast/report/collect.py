"""Run directories to runs: finds them, and reads what is there, whole or not. No torch."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.settings import Flat, flatten, what_varied
from abreast.runs.directory import RunDirectory
from abreast.runs.files import (
    CHECKPOINTS,
    CONFIG,
    HYDRA,
    METRICS,
    OVERRIDES,
    REPORT,
    RESULT,
    STATUS,
    STUDY,
    SWEEP,
)

MARKS = (CONFIG, STATUS, RESULT, METRICS)  # of a run's directory
SKIPPED = (CHECKPOINTS, REPORT)
STATUSES = ("finished", "running", "interrupted", "dropped", "failed", "unreadable", "not started")
_SEED = re.compile(r"^seed: *(-?\d+) *$", re.MULTILINE)


@dataclass
class Run:
    """One run as its directory tells it.

    `config` is flat (`optim.lr`), without the seed; a group's own key (`optim`) holds its option's name.
    `settings` is the part of it that sets this run apart from the others, seed excepted.
    `curve` has a list for each column of metrics.csv, an epoch each, nan where a cell is empty.
    """

    path: Path
    name: str
    status: str
    reason: str = ""
    seed: int | None = None
    config: Flat = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    curve: dict[str, list[float]] = field(default_factory=dict)
    quiet: float | None = None  # seconds since a running run last wrote
    repeats: str = ""  # the name of the run that has the same settings and seed

    @property
    def seconds(self) -> float | None:
        """Time of the whole run: in a stack its share."""
        return _number(self.result.get("seconds"))


@dataclass
class Sweep:
    """All runs below some directories, sorted as their names are; `varied` are the settings' keys."""

    directories: tuple[Path, ...]
    runs: list[Run]
    varied: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """How many runs have each status, those that occur."""
        found = {status: sum(run.status == status for run in self.runs) for status in STATUSES}
        return {status: count for status, count in found.items() if count}


def collect(directories: Sequence[Path]) -> Sweep:
    """Everything below the directories. Raises RunError where there is no directory or no run in it."""
    for directory in directories:
        if not directory.is_dir():
            raise RunError(f"{directory}: no such directory")
    paths = {path.resolve(): path for directory in directories for path in _find(directory)}
    if not paths:
        where = ", ".join(map(str, directories))
        raise RunError(
            f"{where}: no run in there (a run's directory holds config.yaml and status.json): give the "
            "directory of a sweep or of a run"
        )
    shared: dict[str, Flat] = {}
    base = Path(os.path.commonpath([each.resolve() for each in directories]))
    runs = [_read(path, base, shared) for path in paths]
    varied = what_varied({id(run.config): run.config for run in runs if run.config}.values())
    for run in runs:
        run.settings = {key: run.config.get(key) for key in varied} if run.config else {}
    runs.sort(key=_order)
    _mark_repeats(runs)
    return Sweep(tuple(directories), runs, varied)


def _order(run: Run) -> tuple[Any, ...]:
    """By settings, numbers as such, then by seed; runs without any come last."""
    values = tuple(
        (0, value, "") if isinstance(value, (int, float)) else (1, 0, str(value))
        for value in run.settings.values()
    )
    # Digits and the rest by turns, so that run 2 comes before run 10.
    name = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", run.name)]
    return (not run.settings and not run.config, values, run.seed is None, run.seed or 0, name)


def _find(directory: Path) -> Iterator[Path]:
    try:
        with os.scandir(directory) as entries:
            found = {entry.name: entry for entry in entries}
        if any(name in found for name in MARKS):
            yield directory
            return
        if HYDRA in found and SWEEP not in found and STUDY not in found:
            yield directory  # made for a run that never wrote anything
            return
        below = [name for name, entry in found.items() if entry.is_dir() and not name.startswith(".")]
    except OSError:  # removed meanwhile, or not ours to read
        return
    for name in below:
        if name not in SKIPPED:
            yield from _find(directory / name)


def _read(path: Path, base: Path, shared: dict[str, Flat]) -> Run:
    directory = RunDirectory(path)
    name = os.path.relpath(path.resolve(), base)
    run = Run(path, path.name if name == "." else name, "unreadable")
    run.overrides = tuple(_overrides(path / HYDRA / OVERRIDES))
    if not any((path / mark).exists() for mark in MARKS):
        run.status, run.reason = "not started", "wrote nothing: it waits, or its command was refused"
        return run
    try:
        run.config, run.seed = _config(directory, shared)
        status = directory.read_status()
        run.status = str(status.get("status"))
        run.reason = (str(status.get("reason") or "").strip().splitlines() or [""])[0]
        if run.status not in STATUSES:
            raise RunError(f"{path / STATUS}: an unknown status, {run.status!r}")
        if run.status == "finished":
            run.result = directory.read_result()
            run.metrics = _metrics(run.result, path)
    except RunError as error:
        run.status, run.reason = "unreadable", str(error).replace(f"{path}{os.sep}", "")
    except (OSError, RecursionError) as error:
        run.status, run.reason = "unreadable", f"{type(error).__name__}: {error}"
    run.curve = read_curve(path / METRICS)
    if run.status == "running":
        run.quiet = _quiet(path)
    return run


def _config(directory: RunDirectory, shared: dict[str, Flat]) -> tuple[Flat, int | None]:
    """The flat configuration and the seed. Runs that differ in the seed alone share one: parsing is slow."""
    path = directory.path / CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    seeds = _SEED.findall(text)
    key = _SEED.sub("", text)
    if len(seeds) == 1 and key in shared:
        return shared[key], int(seeds[0])
    config = directory.read_config()
    seed = config.get("seed")
    flat = flatten(config)
    if len(seeds) == 1:
        shared[key] = flat
    return flat, seed if isinstance(seed, int) else None


def _mark_repeats(runs: Sequence[Run]) -> None:
    """A run with another's settings and seed counts once: the first that finished does."""
    first: dict[tuple[Any, ...], Run] = {}
    for run in sorted(runs, key=lambda run: run.status != "finished"):
        if run.config and run.seed is not None:
            known = first.setdefault((tuple(map(repr, run.settings.values())), run.seed), run)
            if known is not run:
                run.repeats = known.name


def _metrics(result: Mapping[str, Any], path: Path) -> dict[str, float]:
    found = result.get("metrics")
    if not isinstance(found, Mapping):
        raise RunError(f"{path / RESULT}: holds no metrics")
    numbers = {str(name): _number(value) for name, value in found.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def _number(value: Any) -> float | None:
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if right else None


def _overrides(path: Path) -> list[str]:
    import yaml

    try:
        found = yaml.load(
            path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    return (
        [str(each) for each in found if isinstance(each, (str, int, float))]
        if isinstance(found, list)
        else []
    )


def read_curve(path: Path) -> dict[str, list[float]]:
    """The columns of a metrics.csv; rows that are not whole (one is just being written) are left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    lines = text.splitlines(keepends=True)
    if not lines or not lines[-1].endswith("\n"):
        lines = lines[:-1]
    if not lines:
        return {}
    header = lines[0].strip().split(",")
    rows = []
    for line in lines[1:]:
        cells = line.strip().split(",")
        try:
            row = [float(cell) if cell else math.nan for cell in cells]
        except ValueError:
            continue
        if len(row) == len(header):
            rows.append(row)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def _quiet(path: Path) -> float | None:
    files = [path / STATUS, path / METRICS]
    times = [file.stat().st_mtime for file in files if file.exists()]
    return max(0.0, time.time() - max(times)) if times else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; an empty one where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
