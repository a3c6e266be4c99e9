"""`abreast.report(dir)`: tables, statistics and one page on the runs of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from abreast.errors import ConfigError
from abreast.metrics.margin import read_margin
from abreast.report.readers.folds import read_folds
from abreast.report.readers.settings import Choices
from abreast.report.write import write_report

if TYPE_CHECKING:
    from abreast.api.sweep import Report


def report(
    *directories: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    metric: str | None = None,
    margin: float | str | None = None,
    target: float | None = None,
    figures: bool = False,
    seed: str | None = None,
    settings: Sequence[str] | None = None,
    mode: Literal["max", "min"] | None = None,
    folds: int | None = None,
) -> Report:
    """Compare the runs of one sweep or several, and write the page, as `abreast report` does.

    Args:
        directories: Directories of sweeps or runs, also of runs that others trained.
        out: Where to write; None for `report` in the first directory.
        metric: What to compare by, such as `val/loss`; None: test accuracy, or r2.
        margin: The largest difference that does not matter.
        target: The validation level of time to target.
        figures: Whether to write each figure as PNG and SVG too (needs Chromium).
        seed: Of runs that others trained: the setting that is the seed.
        settings: Of these: the settings to compare.
        mode: Of these: `max` or `min`, which way the metric is better.
        folds: Of these: of how many folds a cross-validation is.

    Returns:
        The report.

    Raises:
        RunError: There are no runs, or they lack the metric.
        ConfigError: For arguments that cannot be.
    """
    from abreast.api.sweep import Report

    if not directories:
        raise ConfigError("report: name a directory, such as abreast.report('runs/2026-01-01/sweep')")
    if mode not in (None, "max", "min"):
        raise ConfigError(f"mode={mode!r}: allowed are 'max', 'min' and None")
    return Report(
        write_report(
            [Path(directory) for directory in directories],
            None if out is None else Path(out),
            metric=metric,
            margin=None if margin is None else read_margin("margin", str(margin)),
            target=target,
            figures=figures,
            choices=Choices(
                seed=seed,
                settings=None if settings is None else tuple(settings),
                mode=mode,
                folds=None if folds is None else read_folds(str(folds)),
            ),
        )
    )
