"""What made the runs, and what made the report: commands and versions."""

from __future__ import annotations

import platform
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

from abreast import __version__
from abreast.report.collect import Sweep
from abreast.report.tables import command
from abreast.runs.files import SWEEP

MOST = 3  # commands of single runs; all are in runs.csv
PACKAGES = ("scipy", "statsmodels", "numpy", "plotly")


def commands(sweep: Sweep) -> list[tuple[str, str]]:
    """Each sweep's directory with its command, the last one that Hydra kept there; else the first runs'."""
    found = []
    for directory in sweep.directories:
        for path in sorted(
            {directory, *(run.path.parent for run in sweep.runs if _is_below(run.path, directory))}
        ):
            overrides = _task_overrides(path / SWEEP)
            if overrides is not None:
                found.append((str(path), command(overrides, multirun=True)))
    if not found:
        found = [(run.name, command(run.overrides)) for run in sweep.runs if run.overrides][:MOST]
    return found


def _is_below(path: Path, directory: Path) -> bool:
    return path.is_relative_to(directory) and path != directory


def _task_overrides(path: Path) -> list[str] | None:
    import yaml

    try:
        content = yaml.load(
            path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        overrides = content["hydra"]["overrides"]
        kept = [str(each) for each in overrides["hydra"] or () if not str(each).startswith("hydra.mode=")]
        return [*map(str, overrides["task"] or ()), *kept]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return None


def run_versions(sweep: Sweep) -> list[tuple[str, str]]:
    """Each package with its version, and where runs have several with how many have which."""
    found: dict[str, Counter[str]] = {}
    for run in sweep.runs:
        versions: Any = run.result.get("versions")
        if isinstance(versions, dict):
            for name, version in versions.items():
                found.setdefault(str(name), Counter())[str(version)] += 1
    return [
        (
            name,
            next(iter(counts))
            if len(counts) == 1
            else ", ".join(f"{v} ({n} runs)" for v, n in counts.items()),
        )
        for name, counts in found.items()
    ]


def own_versions() -> list[tuple[str, str]]:
    """The packages that the report was made with."""
    own = [("abreast", __version__), ("python", platform.python_version())]
    return own + [(name, metadata.version(name)) for name in PACKAGES]
