"""The names of the directories of a sweep's jobs, as far as Hydra composes them with the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.core.utils import filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from abreast.config.run_config import run_config, task_part
from abreast.config.run_id import run_ids
from abreast.runtime.directory_name import run_directory_name, shortened

BY_NUMBER = "${hydra:job.num}"  # Hydra's own name of a job's directory
NAMING_LAUNCHERS = ("abreast", "basic")  # ours names them itself, Hydra's own by number


def shorten_override_dirname(config: DictConfig) -> None:
    """Make `hydra.job.override_dirname` fit into a directory's name, with more before or after it."""
    name = str(config.hydra.job.override_dirname)
    short = str(shortened(name, most=200)) if name else name
    if short != name and len(short) < len(name):
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.job.override_dirname = short


def name_directory(master: DictConfig, config: DictConfig, overrides: Sequence[str]) -> None:
    """Name the job's directory as our launcher does, where another one would number it.

    Args:
        master: The sweep's config.
        config: The job's, which is changed.
        overrides: The job's overrides.
    """
    launcher = config.hydra.runtime.choices.get("hydra/launcher")
    sweep: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    if launcher in NAMING_LAUNCHERS or sweep["subdir"] != BY_NUMBER:
        return
    fixed = {*map(str, master.hydra.overrides.task)}
    title = " ".join(item for item in filter_overrides(overrides) if item not in fixed)
    with suppress(Exception):  # what is wrong with the job is said when it runs
        task = task_part(config)
        name = run_directory_name(title, run_ids(run_config(task, config.hydra))[0])
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.subdir = name
