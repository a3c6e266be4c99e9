"""What of a foreign run's settings is its seed, and what counts as a setting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from abreast.config.identity import Scalar
from abreast.errors import RunError
from abreast.metrics.registry import Mode
from abreast.report.readers.foreign_run import ForeignRun
from abreast.runtime.printable import printable
from abreast.suggestions import did_you_mean, listed

SEEDS = (
    *("seed", "random_seed", "random_state", "rng_seed", "manual_seed", "global_seed"),
    *("seed_everything", "rng"),
)
NEITHER = re.compile(
    r"(.*[_./])?(run_?id|run_?name|uuid|timestamp|date|host(name)?|user|log_?dir|output_?dir|save_?dir|"
    r"checkpoint_?(dir|path)|device|num_workers|_wandb.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Choices:
    """What the user says of runs that others trained.

    Attributes:
        metric: What to compare by; None: chosen.
        seed: The setting that is the seed; None: found.
        settings: The settings that count; None: all that are not the seed, a result or the name of a run.
        mode: Which way the metric is better; None: by its name.
    """

    metric: str | None = None
    seed: str | None = None
    settings: tuple[str, ...] | None = None
    mode: Mode | None = None


def seed_key(foreign: Sequence[ForeignRun], choices: Choices) -> str | None:
    """The setting that is the seed, or None. Raises RunError where it is ambiguous or missing."""
    keys = list(dict.fromkeys(key for run in foreign for key in run.settings))
    if choices.seed is not None:
        if choices.seed not in keys:
            shown = [printable(key) for key in keys]
            raise RunError(f"--seed {choices.seed}: no run has this setting. Available: {listed(shown[:30])}"
                           f"{did_you_mean(choices.seed, shown)}")  # fmt: skip
        return choices.seed
    by_name = {key: re.split(r"[./]", key.lower())[-1] for key in keys}
    for name in SEEDS:
        alike = [key for key in keys if by_name[key] == name]
        varied = [key for key in alike if len({run.settings.get(key) for run in foreign}) > 1]
        if len(varied) > 1:
            raise RunError(
                f"several settings could be the seed: {listed(map(printable, varied))}; write --seed KEY"
            )
        if varied or alike:
            return (varied or alike)[0]
    return None


def settings_keys(foreign: Sequence[ForeignRun], seed: str | None, choices: Choices) -> list[str]:
    """The settings that are compared. Raises RunError for one that no run has."""
    keys = list(dict.fromkeys(key for run in foreign for key in run.settings if key != seed))
    if choices.settings is not None:
        missing = [key for key in choices.settings if key not in keys]
        if missing:
            raise RunError(f"--settings {missing[0]}: no run has this setting. Available: "
                           f"{listed([printable(key) for key in keys][:30])}")  # fmt: skip
        return list(choices.settings)
    return [key for key in keys if not NEITHER.fullmatch(key)]


def seed_numbers(foreign: Sequence[ForeignRun], seed: str | None) -> dict[Scalar, int]:
    """A whole number for each seed: itself, or for texts their position."""
    values = {run.settings.get(seed) for run in foreign if seed is not None} - {None}
    if all(isinstance(value, (int, float)) and float(value).is_integer() for value in values):
        return {value: int(value) for value in values if isinstance(value, (int, float))}
    return {value: number for number, value in enumerate(sorted(values, key=str))}
