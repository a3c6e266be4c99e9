"""One run as its directory describes it, complete or not."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from abreast.config.types import is_number
from abreast.errors import ConfigError, RunError
from abreast.metrics.requested import requested
from abreast.report.files import Curve, read_curve, read_yaml
from abreast.report.remarks import remarks
from abreast.report.settings import RunSettings, Settings, read_settings
from abreast.runs.chance import at_chance
from abreast.runs.checksums import without_checksums
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, HYDRA, METRICS, OVERRIDES, RESULT, STATUS
from abreast.runs.in_use import is_abandoned
from abreast.runs.schema import ResultFile, typed
from abreast.runs.small_file import MOST_YAML_BYTES, read_text

MARKERS = (CONFIG, STATUS, RESULT, METRICS)  # a directory with one is a run's
STATUSES = ("finished", "running", "interrupted", "dropped", "failed", "unreadable", "not started")
_SEED = re.compile(r"^seed: *(-?\d{1,20}) *$", re.MULTILINE)


@dataclass
class Run:
    """What a report knows of a run.

    Attributes:
        path: The run's directory.
        name: The directory relative to what all directories of the report have in common.
        status: One of `STATUSES`.
        reason: Why the run did not finish, in one line.
        seed: The seed; None where the configuration has none.
        identified: The settings with what tells them from others; None where the configuration is missing.
        key: The exact identity of the settings: equal for runs that repeat each other. Only for comparing.
        repeat: Which repeat it is: its seed, or `block_of` where settings are repeated on several splits.
        settings: The settings in which the runs of the sweep differ, to be shown.
        overrides: The command line that started the run.
        metrics: The final metrics, by name such as `test/accuracy`.
        result: The content of result.json.
        curve: The columns of metrics.csv, one value an epoch.
        idle_seconds: Time since a run with the status `running` last wrote to its directory.
        duplicate_of: The name of the run that has the same settings and seed and is counted instead.
        duplicate_value: Of a duplicate: what that run has of the metric, where it is another value.
        is_foreign: Whether something else trained it.
        remarks: What is wrong with files of a run that is counted: changed since it ended, or unreadable.
    """

    path: Path
    name: str
    status: str
    reason: str = ""
    seed: int | None = None
    identified: RunSettings | None = None
    key: Hashable = None
    repeat: Hashable = None
    settings: Settings = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    result: ResultFile = field(default_factory=lambda: ResultFile())
    curve: Curve = field(default_factory=dict)
    idle_seconds: float | None = None
    duplicate_of: str = ""
    duplicate_value: float | None = None
    is_foreign: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def is_collapsed(self) -> bool:
        """Whether the tested network did no better than guessing: what a run that learned nothing ends at."""
        return at_chance(self.result)

    @property
    def config(self) -> Settings:
        """The flat configuration, such as `optim.lr`; a group's key (`optim`) holds its option's name."""
        return self.identified.flat if self.identified is not None else {}

    @property
    def seconds(self) -> float | None:
        """Training time; for a run trained in a stack, its share of the stack's time."""
        seconds = self.result.get("seconds")
        return None if seconds is None else float(seconds)


Block = tuple[int | None, int, int | None]


def block_of(run: Run) -> Block:
    """What distinguishes the repeats of the same settings: the seed, the split seed and the fold."""
    if run.identified is None:
        return run.seed, 0, None
    return run.seed, run.identified.identity.split_seed, run.identified.identity.fold


def repeat_label(repeat: Hashable) -> str:
    """Write which repeat a value is of (`Run.repeat`).

    >>> repeat_label(3), repeat_label((3, 1, None)), repeat_label((3, 0, 2)), repeat_label(None)
    ('seed 3', 'seed 3, split 1', 'seed 3, fold 2', 'a run')
    """
    if not isinstance(repeat, tuple):
        return f"seed {repeat}" if isinstance(repeat, int) and repeat >= 0 else "a run"
    seed, split, fold = repeat
    parts = [f"seed {seed}" if seed is not None else "", f"split {split}" if split or fold is None else ""]
    return ", ".join(filter(None, [*parts, f"fold {fold}" if fold is not None else ""]))


class RunReader:
    """Reads run directories; runs whose configurations differ only in the seed share one parsed copy.

    Args:
        base: The directory that the runs' names are relative to.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._configs: dict[str, RunSettings] = {}  # by text without the seed; parsing YAML is slow
        self._modes: dict[str, str] = {}  # of the metrics that only the runs' configurations name

    def read(self, path: Path) -> Run:
        """Read a run's directory. What is missing or broken becomes the run's status and reason."""
        directory = RunDirectory(path)
        name = os.path.relpath(path.resolve(), self._base)
        run = Run(path, path.name if name == "." else name, "unreadable")
        run.overrides = tuple(_overrides(read_yaml(path / HYDRA / OVERRIDES)))
        if not any((path / marker).exists() for marker in MARKERS):
            run.status = "not started"
            run.reason = "wrote nothing: still queued, or its command was rejected"
            return run
        try:
            run.identified, run.seed = self._read_config(directory)
            status = directory.read_status()
            run.status = str(status.get("status"))
            run.reason = (str(status.get("reason") or "").strip().splitlines() or [""])[0]
            if run.status not in STATUSES:
                raise RunError(f"{path / STATUS}: unknown status {run.status!r}")
            if run.status == "finished":
                content = directory.read_result_with_checksums()
                run.result, problems = typed(without_checksums(content), ResultFile)
                run.metrics = _metrics(run.result, path)
                run.remarks = (*remarks(directory, content), *(f"{RESULT}: {line}" for line in problems))
        except RunError as error:
            run.status, run.reason = "unreadable", str(error).replace(f"{path}{os.sep}", "")
        except (OSError, RecursionError) as error:
            run.status, run.reason = "unreadable", f"{type(error).__name__}: {error}"
        run.curve = read_curve(path / METRICS)
        if run.status == "running" and _was_killed(directory):
            run.status, run.reason = "interrupted", "killed: no process trains it any more"
        if run.status == "running":
            run.idle_seconds = _idle_seconds(path)
        return run

    def _read_config(self, directory: RunDirectory) -> tuple[RunSettings, int | None]:
        try:
            text = read_text(directory.path / CONFIG, MOST_YAML_BYTES)
        except (OSError, RunError):
            text = ""  # which `read_config` explains
        seeds = _SEED.findall(text)
        key = _SEED.sub("", text)
        if len(seeds) == 1 and key in self._configs:
            return self._configs[key], int(seeds[0])
        config = directory.read_config()
        self._declare_metrics(config)
        seed = config.get("seed")
        settings = read_settings(config)
        if len(seeds) == 1:
            self._configs[key] = settings
        return settings, seed if isinstance(seed, int) else None

    def _declare_metrics(self, config: Mapping[str, object]) -> None:
        """Make known which way the run's own metrics are better. Raises RunError where runs disagree."""
        try:
            metrics = requested(config)
        except ConfigError as error:
            raise RunError(f"{CONFIG}: {error}") from None
        for metric in metrics:
            mode = self._modes.setdefault(metric.name, metric.mode)
            if mode != metric.mode:
                raise RunError(
                    f"{CONFIG}: metrics.{metric.name}: {metric.mode} is better here, but {mode} in "
                    "another run; report them apart"
                )


def _metrics(result: ResultFile, path: Path) -> dict[str, float]:
    metrics = result.get("metrics")
    if not isinstance(metrics, Mapping):
        raise RunError(f"{path / RESULT}: has no metrics")
    numbers = {str(name): _finite(value) for name, value in metrics.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def _finite(value: object) -> float | None:
    if not is_number(value):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond those of float
        return None
    return number if math.isfinite(number) else None


def _overrides(content: object) -> Iterable[str]:
    items = content if isinstance(content, list) else []
    return (str(item) for item in items if isinstance(item, (str, int, float)))


def _was_killed(directory: RunDirectory) -> bool:
    """Whether the run says that it is running, and nobody trains it."""
    try:
        return is_abandoned(directory.path) and directory.read_status().get("status") == "running"
    except (OSError, RunError):
        return False


def _idle_seconds(path: Path) -> float | None:
    files = [path / STATUS, path / METRICS]
    times = [file.stat().st_mtime for file in files if file.exists()]
    return max(0.0, time.time() - max(times)) if times else None
