"""Composes the jobs of a sweep: as plain data from what they share, or each by Hydra where that is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from abreast.config.job_names import BY_NUMBER
from abreast.config.sweep_loader import SweepLoader
from abreast.config.sweep_template import PlainJob


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
        job = loader.plain_job(self.sweep_config, overrides)
        return None if job is None or not _has_plain_directory(job) else job

    def composed(self, overrides: Sequence[str], number: int) -> DictConfig:
        """The job's config, with Hydra's part."""
        config = self.loader.load_sweep_config(self.sweep_config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        return config


def plain_directory(job: PlainJob, number: int) -> tuple[str, str]:
    """The directory of the sweep, and the name of the job's, before it is named after the run."""
    sweep = job.hydra["sweep"]
    return sweep["dir"], sweep["subdir"].replace(BY_NUMBER, str(number))


def _has_plain_directory(job: PlainJob) -> bool:
    """Whether the job's directory is known without Hydra: fixed names, but for the job's number."""
    folder, name = job.hydra["sweep"]["dir"], job.hydra["sweep"]["subdir"]
    if not isinstance(folder, str) or not isinstance(name, str):
        return False
    return "${" not in folder and "${" not in name.replace(BY_NUMBER, "")
