"""Runs that others trained, as the sweep of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abreast.config.identity import Scalar
from abreast.config.override_keys import key_of, value_of
from abreast.errors import RunError
from abreast.report.collect import Sweep, in_order
from abreast.report.files import read_yaml
from abreast.report.identities import identify
from abreast.report.readers.convert import convert
from abreast.report.readers.detect import kinds, read_foreign
from abreast.report.readers.foreign_run import ForeignRun, as_scalar
from abreast.report.readers.run_names import settings_of_name
from abreast.report.readers.settings import Choices
from abreast.runs.files import CONFIG, HYDRA, OVERRIDES, STATUS


def collect_foreign(paths: Sequence[Path], choices: Choices) -> tuple[Sweep, str, list[str]] | None:
    """Read the runs of files and folders.

    Args:
        paths: CSV files, databases, and folders.
        choices: What the user says of the runs.

    Returns:
        The sweep, the metric to compare by, and sentences that say what was taken for what; None for folders
        in which others trained nothing, but where a run of abreast may have begun.

    Raises:
        RunError: There are no runs, or they have no results.
        ConfigError: Nothing says which way the metric is better.
    """
    foreign: list[ForeignRun] = []
    kinds_read: list[str] = []
    for path in paths:
        kind, runs = read_foreign(path, choices.metric)
        if not runs and _has_begun(path):
            return None
        if not runs:
            raise RunError(
                f"{path}: contains no run (a run directory holds {CONFIG} and {STATUS}), and none of "
                f"{kinds()} either. Give the directory of a sweep or of a run, or a CSV file"
            )
        for run in runs:
            if {*run.settings} <= {"rep"} or "run" in run.settings:  # at most what its name says
                run.settings = _of_hydra(run.path, path) or run.settings
            if not run.settings and kind == "TensorBoard":
                run.settings = settings_of_name(run.name)
        foreign += runs
        kinds_read.append(kind)
    converted = convert(" and ".join(dict.fromkeys(kinds_read)), foreign, choices)
    varied = identify(converted.runs)
    return in_order(paths, converted.runs, varied), converted.metric, converted.notes


def _has_begun(path: Path) -> bool:
    """Whether a folder has what a run of abreast, or of Hydra, begins with."""
    return path.is_dir() and any(True for name in (CONFIG, HYDRA) for _ in path.rglob(name))


def _of_hydra(path: Path, base: Path) -> dict[str, Scalar]:
    """The overrides that Hydra keeps beside a run, or above it up to the folder that was given."""
    for folder in (path, *path.parents):
        overrides = read_yaml(folder / HYDRA / OVERRIDES)
        if isinstance(overrides, list):
            items = [item for item in overrides if isinstance(item, str) and "=" in item]
            return {key_of(item): as_scalar(value_of(item)) for item in items}
        if folder == base:
            break
    return {}
