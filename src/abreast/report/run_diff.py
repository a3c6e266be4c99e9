"""In which settings, metrics and circumstances runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from abreast.config.identity import Scalar, leaves
from abreast.config.neutral_keys import is_neutral
from abreast.config.targets import GROUPS
from abreast.report.run import Run
from abreast.report.settings import format_setting
from abreast.runs.directory import RunDirectory

Section = Literal["settings", "neutral settings", "execution", "metrics"]
ABSENT = ""
STAGES = ("test", "val", "train")


@dataclass(frozen=True)
class Row:
    """A key in which runs differ.

    Attributes:
        section: What the key is of. Neutral settings cannot change a result.
        key: A dotted key, such as `optim.lr`, or a metric, such as `test/accuracy`.
        values: One a run, as text; "" for a run without the key.
    """

    section: Section
    key: str
    values: tuple[str, ...]


def differences(runs: Sequence[Run]) -> list[Row]:
    """List what differs between runs, and all their metrics.

    Args:
        runs: At least two runs.

    Returns:
        The rows: settings, neutral settings, how they were executed, metrics.

    Raises:
        RunError: If a run has no readable configuration.
    """
    configs = [_settings(run) for run in runs]
    rows = []
    for key in dict.fromkeys(key for config in configs for key in config):
        values = [format_setting(config[key]) if key in config else ABSENT for config in configs]
        if len(set(values)) > 1 or len({type(config.get(key)) for config in configs}) > 1:
            section: Section = "neutral settings" if is_neutral(key) else "settings"
            rows.append(Row(section, key, tuple(values)))
    rows.sort(key=lambda row: row.section == "neutral settings")
    records = [leaves(run.result.get("execution", {})) for run in runs]
    for key in dict.fromkeys(key for record in records for key in record):
        values = [format_setting(record[key]) if key in record else ABSENT for record in records]
        if len({value for value, record in zip(values, records, strict=True) if record}) > 1:
            rows.append(Row("execution", key, tuple(values)))
    return rows + [
        Row("metrics", name, tuple(_number(run.metrics.get(name)) for run in runs)) for name in _metrics(runs)
    ]


def _settings(run: Run) -> dict[str, Scalar]:
    config = RunDirectory(run.path).read_config()
    flat = leaves({key: value for key, value in config.items() if key != "names"})
    names = config.get("names")
    options = names if isinstance(names, Mapping) else {}
    return {**{group: str(options[group]) for group in GROUPS if group in options}, **flat}


def _metrics(runs: Sequence[Run]) -> list[str]:
    """The metrics that a run has, without those of single classes, the tested ones first."""
    names = {name for run in runs for name in run.metrics if name.count("/") == 1}
    order = {stage: position for position, stage in enumerate(STAGES)}
    return sorted(names, key=lambda name: (order.get(name.partition("/")[0], len(STAGES)), name))


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.6g}"
