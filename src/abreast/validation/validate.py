"""Every mistake in a composed configuration, found before torch is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from abreast.config.options import conf_dir, groups, top_level
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.static.annotations import Kinds, misfit, read
from abreast.suggestions import did_you_mean, listed
from abreast.validation.components import check, components
from abreast.validation.cross_checks import crosschecks
from abreast.validation.ranges import out_of_range

_TOP = {
    "seed": "int",
    "monitor": "str | None",
    "checkpoint": "str",
    "test": "bool",
    "steps_per_execution": "int",
    "matmul_precision": "str | None",
    "compile": "bool",
    "sweep": "object",
}
_SWEEP = {"on_fail": "str"}
_SCHEDULE = {"interval": "str", "monitor": "str | None"}


def validate(
    config: DictConfig | Mapping[str, Any],
    choices: Mapping[str, Any] | None = None,
    folders: Sequence[Path] | None = None,
) -> None:
    """Check a composed run configuration: names, types, ranges and what they mean for each other.

    `choices` are the options chosen by group, for the messages; `folders` the configuration directories.
    Raises one ConfigError with a line for each mistake.
    """
    folders = folders or [conf_dir()]
    if isinstance(config, Mapping):
        config = OmegaConf.create(dict(config))
    values = _resolved(config)
    problems = list(_unset(values))
    if not problems:
        problems += _structure(values, choices or {}, folders)
        for component in components(values, choices or {}):
            problems += [component] if isinstance(component, str) else check(component)
        named = set(map(_place, problems))
        problems += [each for each in crosschecks(values, folders) if _place(each) not in named]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _place(problem: str) -> str:
    """The key a message is about."""
    return problem.partition(":")[0].partition("[")[0]


def _resolved(config: DictConfig) -> Config:
    """Plain values. Raises ConfigError for an interpolation that leads nowhere."""
    try:
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(interpolation(error)) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def interpolation(error: OmegaConfBaseException) -> str:
    """The message for an interpolation that cannot be resolved."""
    reason = str(error).partition("\n")[0].strip()
    return f"{error.full_key}: {reason}" if error.full_key else reason


def _unset(value: object, key: str = "") -> Iterator[str]:
    """A message for each value that is still `???`."""
    if value == "???":
        yield f"{key}: has no value yet; write {key}=..."
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _unset(each, f"{key}.{name}" if key else str(name))
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from _unset(each, f"{key}[{at}]")


def _structure(
    config: Mapping[str, Any], choices: Mapping[str, Any], folders: Sequence[Path]
) -> Iterator[str]:
    """The top level's keys, the groups that must be there, and the keys that are not built."""
    top = top_level(folders)
    options = groups(folders)
    for name in config:
        if name in top:
            continue
        if name in options:
            file = f"{name}/{choices.get(name)}.yaml"
            yield f"{name}: is no part of a run; the first line of {file} must be `# @package _global_`"
        else:
            yield no_such_top_level(name, folders)
    for name, default in top.items():
        value = config.get(name)
        is_group = default == {}
        if is_group and value is None:
            yield f"{name}: is missing; choose one of {listed(options.get(name, ()))}"
        elif is_group and value is not None and not isinstance(value, Mapping):
            yield f"{name}: {value!r} is not a group of keys; choose one of {listed(options.get(name, ()))}"
        elif not is_group and name not in config:
            yield f"{name}: is missing; write {name}={default}"
    own = {name: config[name] for name, default in top.items() if default != {} and name in config}
    yield from _plain("", own, {name: _TOP.get(name) or _type_of(top[name]) for name in own})
    sweep = config.get("sweep")
    if not isinstance(sweep, Mapping) or set(sweep) != set(_SWEEP):
        yield f"sweep: {sweep!r} must hold {listed(_SWEEP)} and nothing else"
    else:
        yield from _plain("sweep", sweep, _SWEEP)
    schedule = config.get("schedule")
    if isinstance(schedule, Mapping):
        for name in set(schedule) - {"scheduler", *_SCHEDULE}:
            near = did_you_mean(name, [*_SCHEDULE, "scheduler"], "schedule.{}")
            yield f"schedule.{name}: no such key. A schedule has scheduler, interval, monitor{near}"
        for name in ("scheduler", *_SCHEDULE):
            if name not in schedule:
                yield f"schedule.{name}: is missing; a schedule has scheduler, interval, monitor"
        yield from _plain(
            "schedule", {name: schedule[name] for name in _SCHEDULE if name in schedule}, _SCHEDULE
        )


def no_such_top_level(name: str, folders: Sequence[Path]) -> str:
    """The message for a key that a run does not have."""
    top = top_level(folders)
    chosen = sorted({*groups(folders)} | {key for key, default in top.items() if default == {}})
    keys = [key for key, default in top.items() if default != {}]
    near = did_you_mean(name, [*chosen, *keys])
    return f"{name}: no such group or key. Groups: {listed(chosen)}. Keys: {listed(keys)}{near}"


def _plain(key: str, values: Mapping[str, Any], annotations: Mapping[str, str]) -> Iterator[str]:
    fitting = {}
    for name, value in values.items():
        place = f"{key}.{name}" if key else name
        message = misfit(place, value, _kinds(annotations[name]))
        if message:
            yield message
        else:
            fitting[name] = value
    yield from out_of_range(key, fitting, key)


def _kinds(annotation: str) -> Kinds:
    return read(ast.parse(annotation, mode="eval").body)


def _type_of(default: object) -> str:
    """The annotation of a key by its value in the main file."""
    return "object" if default is None or isinstance(default, list) else type(default).__name__
