"""Where a report comes from: the commands and versions of its runs, and the versions that made it."""

from __future__ import annotations

import platform
from collections import Counter
from importlib import metadata
from pathlib import Path

from abreast import __version__
from abreast.report.collect import Sweep
from abreast.report.files import read_yaml
from abreast.report.tables import command_line
from abreast.runs.files import SWEEP

MOST_COMMANDS = 3  # of runs without a sweep; runs.csv has them all
PACKAGES = ("scipy", "statsmodels", "numpy", "plotly")


def commands(sweep: Sweep) -> list[tuple[str, str]]:
    """List the commands that started the runs.

    Returns:
        Pairs of a directory and its command: the last command of each sweep (Hydra keeps no earlier one), or
        of the first few runs outside of sweeps.
    """
    result = []
    for directory in sweep.directories:
        parents = {run.path.parent for run in sweep.runs if directory in run.path.parents}
        for path in sorted({directory, *parents}):
            overrides = _sweep_overrides(path / SWEEP)
            if overrides is not None:
                result.append((str(path), command_line(overrides, multirun=True)))
    if result:
        return result
    runs = [run for run in sweep.runs if run.overrides]
    return [(run.name, command_line(run.overrides)) for run in runs[:MOST_COMMANDS]]


def _sweep_overrides(path: Path) -> list[str] | None:
    content = read_yaml(path)
    try:
        overrides = content["hydra"]["overrides"]  # type: ignore[index]
        hydra = [str(item) for item in overrides["hydra"] or ()]
        return [
            *map(str, overrides["task"] or ()),
            *(item for item in hydra if not item.startswith("hydra.mode=")),
        ]
    except (KeyError, TypeError):
        return None


def run_versions(sweep: Sweep) -> list[tuple[str, str]]:
    """List the packages that trained the runs with their versions; several versions with their run counts."""
    counts: dict[str, Counter[str]] = {}
    for run in sweep.runs:
        for package, version in run.result.get("versions", {}).items():
            counts.setdefault(package, Counter())[version] += 1
    return [(package, _versions(count)) for package, count in counts.items()]


def _versions(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{version} ({count} runs)" for version, count in counts.items())


def made_with() -> str:
    """Say which packages made a page, with their versions."""
    versions = [("abreast", __version__), ("python", platform.python_version())]
    versions += [(package, metadata.version(package)) for package in PACKAGES]
    return f"Made with {', '.join(f'{package} {version}' for package, version in versions)}."
