"""Checks a composed run, or every value of a sweep, before any directory is made."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from abreast.config.types import Config
from abreast.errors import ConfigError, DataError
from abreast.validation.accelerator import check_accelerator
from abreast.validation.validate import validate

LOCAL_LAUNCHERS = ("hydra._internal.core_plugins.", "hydra_plugins.abreast_launcher.")
MOST_VALUES = 200
MOST_MESSAGES = 10


class Stop(BaseException):
    """Carries a mistake out of Hydra. Not an Exception: Hydra turns those of callbacks into warnings."""

    def __init__(self, error: Exception, overrides: Sequence[str] = ()) -> None:
        super().__init__(str(error))
        self.error = error
        self.overrides = list(overrides)


def overrides_of(hydra: Any) -> list[str]:
    """The run's overrides as they were written: one may hold an interpolation."""
    return [str(override) for override in cast("list[Any]", OmegaConf.to_container(hydra.overrides.task))]


def check(config: DictConfig, hydra: Any) -> None:
    """Validate a run's configuration, given Hydra's own node for the choices and the directories."""
    choices = cast("Config", OmegaConf.to_container(hydra.runtime.choices))
    validate(config, choices, config_folders(cast("Config", OmegaConf.to_container(hydra.runtime))))
    if trains_here(hydra):
        problems = list(check_accelerator(config))
        if problems:
            raise ConfigError("\n".join(problems))


def config_folders(runtime: Mapping[str, Any]) -> list[Path]:
    """The configuration directories, from Hydra's record of the process."""
    return [Path(source["path"]) for source in runtime["config_sources"] if source["schema"] == "file"]


def trains_here(hydra: Any) -> bool:
    """Whether the run is trained on this machine, as far as it can be told: engines may use others."""
    if hydra.mode != RunMode.MULTIRUN:
        return True
    is_local = str(hydra.launcher.get("_target_")).startswith(LOCAL_LAUNCHERS)
    return is_local and hydra.launcher.get("engine", "none") in ("none", "joblib")


Check = Callable[[DictConfig, Any], None]


def is_sound(label: str, config: DictConfig, hydra: Any, checking: Check = check) -> bool:
    """Whether a job has no mistake."""
    try:
        checking(config, hydra)
    except (ConfigError, DataError):
        return False
    return True


def mistakes(variants: Sequence[tuple[str, DictConfig, Any]], checking: Check = check) -> str:
    """A line for each mistake in the jobs, after the value that causes it if not all jobs have it."""
    lines: dict[str, list[str]] = {}
    for label, part, hydra in variants:
        try:
            checking(part, hydra)
        except (ConfigError, DataError) as error:  # noqa: PERF203
            for line in str(error).split("\n"):
                lines.setdefault(line, []).append(label)
    said = [f"{at[0]}: {line}" if at[0] and len(at) < len(variants) else line for line, at in lines.items()]
    more = [f"... and {len(said) - MOST_MESSAGES} more"] if len(said) > MOST_MESSAGES else []
    return "\n".join(said[:MOST_MESSAGES] + more)


def values_of(config: DictConfig) -> dict[str, list[str]]:
    """What each key is set to in the jobs of a sweep, as overrides. An interval has no value to show."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    texts = [f"{key}={value}" for key, value in params.items()] + overrides_of(config.hydra)
    choices, values = config.hydra.runtime.choices, cast("dict[str, list[str]]", {})
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    for override in parser.parse_overrides(texts):
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


def jobs(config: DictConfig, values: dict[str, list[str]]) -> Iterator[tuple[str, DictConfig, Any]]:
    """The first job of a sweep over `values` (overrides by key), then those with one other value.

    Of n * m * ... jobs, n + m + ... show every value.

    Yields:
        The values in which a job differs from the first, its configuration, and Hydra's.

    Raises:
        Stop: for overrides that cannot be composed.
    """
    first = {key: options[0] for key, options in values.items()}
    base = _composed(config, list(first.values()))
    part = task_part(base)
    yield " ".join(first[key] for key, options in values.items() if len(options) > 1), part, base.hydra
    changes = [(key, option) for key, options in values.items() for option in options[1:]]
    for key, option in changes[:MOST_VALUES]:
        override = OverridesParser.create().parse_overrides([option])[0]
        before = OmegaConf.select(part, override.key_or_group, throw_on_resolution_failure=False)
        if before is None or isinstance(before, DictConfig):
            job = _composed(config, list({**first, key: option}.values()))
            yield option, task_part(job), job.hydra
        else:  # one value: composing would take several times as long
            other = copy.deepcopy(part)
            OmegaConf.update(other, override.key_or_group, override.value(), merge=False)
            yield option, other, base.hydra


def _composed(config: DictConfig, overrides: list[str]) -> DictConfig:
    try:
        return GlobalHydra.instance().config_loader().load_sweep_config(config, overrides)
    except Exception as error:
        raise Stop(error, overrides) from error


def task_part(config: DictConfig) -> DictConfig:
    """The configuration without Hydra's node."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
