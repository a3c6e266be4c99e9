"""Checks a composed run before any directory is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.validation.accelerator import check_accelerator
from abreast.validation.hydra_node import HYDRAS_LAUNCHER, OUR_LAUNCHER
from abreast.validation.validate import validate, validate_values


class Stop(BaseException):
    """Carries a mistake out of Hydra. Not an Exception: Hydra turns those of callbacks into warnings."""

    def __init__(self, error: Exception, overrides: Sequence[str] = ()) -> None:
        super().__init__(str(error))
        self.error = error
        self.overrides = list(overrides)


def overrides_of(hydra: Any) -> list[str]:
    """The run's overrides as they were written: one may hold an interpolation."""
    return [str(override) for override in cast("list[Any]", OmegaConf.to_container(hydra.overrides.task))]


def sweep_overrides_of(config: DictConfig) -> list[str]:
    """The overrides of a multirun: what its sweeper has in `params`, then those of the command line."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return [*(f"{key}={value}" for key, value in params.items()), *overrides_of(config.hydra)]


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """Resolve `${hydra:...}` from this config."""
    instance: Any = HydraConfig.instance()
    before = instance.cfg
    instance.cfg = config  # not by `set_config`, whose copy takes longer than all that is resolved here
    try:
        yield
    finally:
        instance.cfg = before


def check(config: DictConfig, hydra: Any) -> None:
    """Validate a run's configuration, given Hydra's own node for the choices and the directories."""
    choices = cast("Config", OmegaConf.to_container(hydra.runtime.choices))
    validate(config, choices, config_folders(cast("Config", OmegaConf.to_container(hydra.runtime))))
    _check_device(config, hydra)


def check_plain(values: Config, hydra: Config, checked: dict[str, list[str]]) -> None:
    """As `check`, for plain values without interpolations.

    Args:
        values: The run's configuration.
        hydra: Hydra's part.
        checked: The messages for parts that have been checked; new ones are added.
    """
    runtime = hydra["runtime"]
    validate_values(values, runtime["choices"], config_folders(runtime), checked)
    _check_device(values, hydra)


def _check_device(config: DictConfig | Config, hydra: Any) -> None:
    if trains_here(hydra):
        problems = list(check_accelerator(config))
        if problems:
            raise ConfigError("\n".join(problems))


def config_folders(runtime: Mapping[str, Any]) -> list[Path]:
    """The configuration directories, from Hydra's record of the process."""
    return [Path(source["path"]) for source in runtime["config_sources"] if source["schema"] == "file"]


def trains_here(hydra: Any) -> bool:
    """Whether the run is trained on this machine, as far as it can be told: engines may use others."""
    if hydra["mode"] not in (RunMode.MULTIRUN, RunMode.MULTIRUN.name):
        return True
    launcher = hydra["launcher"]
    is_local = str(launcher.get("_target_")).startswith((OUR_LAUNCHER, HYDRAS_LAUNCHER))
    return is_local and launcher.get("engine", "none") in ("none", "joblib")


def values_of(config: DictConfig) -> dict[str, list[str]]:
    """What each key is set to in the jobs of a sweep, as overrides. An interval has no value to show."""
    choices, values = config.hydra.runtime.choices, cast("dict[str, list[str]]", {})
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    for override in parser.parse_overrides(sweep_overrides_of(config)):
        key = override.get_key_element()
        if override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            if not values[key]:
                raise ConfigError(f"{override.input_line}: has no value, so that there is nothing to run")
        elif override.is_interval_sweep() and choices.get("hydra/sweeper") == "basic":
            raise ConfigError(
                f"{override.input_line}: an interval is for a search (hydra/sweeper=abreast_search); "
                f"write the values, as in {key}=0.01,0.1"
            )
        elif not override.is_sweep_override():
            values[key] = [str(override.input_line)]
    return {key: options for key, options in values.items() if options}
