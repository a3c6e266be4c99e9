"""A run's configuration as it is stored: resolved, plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from abreast.config.types import Config
from abreast.runtime.user_path import user_path
from abreast.static.constants import constant

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Of the data.
PATHS = {"dir", "file", "test_file", "train_images", "train_labels", "test_images", "test_labels"}


def entries(config: Mapping[str, Any], group: str) -> Config:
    """The callbacks or the loggers of a configuration; `callbacks.progress=null` leaves one out."""
    return {name: node for name, node in config[group].items() if node is not None}


def task_part(config: DictConfig) -> DictConfig:
    """A composed configuration without Hydra's node."""
    from omegaconf import OmegaConf

    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def run_config(config: DictConfig, hydra: Any) -> Config:
    """A run's configuration as plain data, with the names of its options, and with absolute paths."""
    from omegaconf import OmegaConf

    values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return finished_config(values, hydra.runtime.choices)


def finished_config(values: Any, choices: Mapping[str, Any]) -> Config:
    """A run's configuration from its plain, resolved values, which are changed, and its options' names."""
    for key in PATHS & values["data"].keys():
        if isinstance(values["data"][key], str):
            values["data"][key] = str(user_path(values["data"][key]).absolute())
    for node in (values.get("metrics") or {}).values():
        _say_direction(node)
    del values["sweep"]  # it concerns the sweep, not the run
    for group in ("callbacks", "logger"):
        values[group] = entries(values, group)
    values["names"] = {group: name for group, name in choices.items() if group in values}
    return dict(values)


def _say_direction(metric: Any) -> None:
    """Write which way a metric is better where its class says it: a reader may not have the class."""
    target = metric.get("_target_") if isinstance(metric, dict) else None
    if isinstance(target, str) and not target.startswith("abreast.") and metric.get("mode") is None:
        higher_is_better = constant(target, "higher_is_better")
        if isinstance(higher_is_better, bool):
            metric["mode"] = "max" if higher_is_better else "min"
