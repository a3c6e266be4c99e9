"""Hydra's own part of a configuration: directories, sweeper and launcher, checked before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.runtime.given import has_objects, packed_objects
from abreast.validation.ranges import out_of_range
from abreast.validation.values import check_values

DIRECTORIES = ("run.dir", "sweep.dir", "sweep.subdir")
HYDRAS_LAUNCHER = "hydra._internal.core_plugins."  # in this process
OUR_LAUNCHER = "hydra_plugins.abreast_launcher."


def check_hydra(hydra: DictConfig, *, several: bool = False) -> Iterator[str]:
    """A message for each value of `hydra.*` that cannot be used.

    Args:
        hydra: Hydra's node.
        several: Whether several runs will be started.
    """
    node = cast("Config", OmegaConf.to_container(hydra, resolve=False))
    for key in ("run", "sweep", "output_subdir", "job", "sweeper", "launcher"):
        yield from check_values(node.get(key), f"hydra.{key}")
    for key in DIRECTORIES:
        group, _, name = key.partition(".")
        if not str(node[group][name]).strip():
            yield f"hydra.{key}: is empty; write hydra.{key}=DIR, or leave it out"
    yield from _inside("hydra.output_subdir", node.get("output_subdir"), "such as .hydra, or null for none")
    name = node["job"].get("name")
    if isinstance(name, str) and "${" not in name and PurePath(name).name != name:
        yield f"hydra.job.name: {name!r} names the log's file, too; write a name without folders"
    subdir = node["sweep"]["subdir"]
    yield from _inside("hydra.sweep.subdir", subdir, "such as ${hydra:job.num}")
    if several and str(subdir).strip() and "${" not in str(subdir):
        yield (
            f"hydra.sweep.subdir: all runs would be written to {subdir}; "
            "write a name that differs, such as run_${hydra:job.num}"
        )
    yield from _sweeper(node.get("sweeper") or {})
    yield from _launcher(node.get("launcher") or {})
    if several and has_objects():
        yield from _hand_over(node.get("launcher") or {})


def _inside(key: str, value: Any, example: str) -> Iterator[str]:
    """A message for a directory that is not below the run's, or is the run's itself."""
    text = "" if value is None else str(value)
    path = PurePath(text)
    if value is not None and "${" not in text and (path.is_absolute() or ".." in path.parts):
        yield f"{key}: {text} leads out of the directory; write a name {example}"
    if key == "hydra.output_subdir" and value is not None and text.strip() in ("", "."):
        yield f"{key}: {text!r} is the run's directory itself; write a name {example}"


def _sweeper(sweeper: Mapping[str, Any]) -> Iterator[str]:
    size = sweeper.get("max_batch_size")
    if isinstance(size, int) and size < 1:
        yield f"hydra.sweeper.max_batch_size: must be at least 1, or null for no limit, got {size}"


def _launcher(launcher: Mapping[str, Any]) -> Iterator[str]:
    if not str(launcher.get("_target_")).startswith(OUR_LAUNCHER):
        return
    yield from out_of_range("hydra.launcher", launcher, "launcher")
    options, halving = launcher.get("engine_options"), launcher.get("halving")
    if options is not None and not isinstance(options, Mapping):
        yield f"hydra.launcher.engine_options: {options!r} is not keys with values; see docs/scale.md"
    if halving is not None and (not halving or sorted({*halving}) != halving or halving[0] < 1):
        yield f"hydra.launcher.halving={halving}: must be epochs in rising order, from 1 on"


def _hand_over(launcher: Mapping[str, Any]) -> Iterator[str]:
    """A message where a network or data given in Python do not reach the processes of a sweep."""
    target = str(launcher.get("_target_"))
    if not target.startswith((OUR_LAUNCHER, HYDRAS_LAUNCHER)):
        yield (
            f"hydra/launcher: {target.rpartition('.')[2]} does not hand a network or data given in Python to "
            "its processes; leave it out and write hydra.launcher.engine=joblib, submitit or ray"
        )
    elif launcher.get("engine", "none") != "none" or launcher.get("devices", 1) != 1:
        try:
            packed_objects()
        except ConfigError as error:
            yield str(error)
