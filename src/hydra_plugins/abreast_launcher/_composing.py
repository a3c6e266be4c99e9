"""Composes the jobs of a sweep: as plain data from what they share, or each by Hydra where that is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from abreast.config.job_names import BY_NUMBER
from abreast.config.sweep_loader import SweepLoader
from abreast.config.sweep_template import SweepTemplate, Value
from abreast.config.types import Config


@dataclass(frozen=True)
class PlainJob:
    """A job as the template that it shares with others, and the values that it sets.

    Attributes:
        template: What it shares.
        values: Its values by key.
    """

    template: SweepTemplate
    values: dict[str, Value]

    @property
    def task(self) -> Config:
        """The run's part of its config; a new copy each time."""
        return self.template.job(self.values)

    def directory(self, number: int) -> tuple[str, str]:
        """The directory of the sweep, and the name of the job's, before it is named after the run."""
        sweep = self.template.hydra["sweep"]
        return sweep["dir"], sweep["subdir"].replace(BY_NUMBER, str(number))


class Composer:
    """Composes jobs.

    Args:
        loader: Hydra's loader, or the one that replaces it in sweeps.
        sweep_config: The config of the sweep.
    """

    def __init__(self, loader: ConfigLoader, sweep_config: DictConfig) -> None:
        self.loader = loader
        self.sweep_config = sweep_config

    def plain(self, overrides: Sequence[str]) -> PlainJob | None:
        """The job as plain data; None where only Hydra can compose it."""
        loader: Any = self.loader
        if not isinstance(loader, SweepLoader):
            return None
        parts = loader.from_template(self.sweep_config, overrides)
        if parts is None or not _has_plain_directory(parts[0]):
            return None
        return PlainJob(*parts)

    def whole(self, overrides: Sequence[str], number: int) -> DictConfig:
        """The job's config, with Hydra's part."""
        config = self.loader.load_sweep_config(self.sweep_config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        return config


def _has_plain_directory(template: SweepTemplate) -> bool:
    """Whether the job's directory is known without Hydra: fixed names, but for the job's number."""
    sweep = cast("dict[str, Any]", template.hydra["sweep"])
    folder, name = sweep["dir"], sweep["subdir"]
    if not isinstance(folder, str) or not isinstance(name, str):
        return False
    return "${" not in folder and "${" not in name.replace(BY_NUMBER, "")
