"""Every mistake in a composed configuration, found before torch is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from abreast.config.options import conf_dir, groups, top_level
from abreast.config.schema import RunKeys, ScheduleKeys, SweepKeys, names
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.static.annotations import kinds_of
from abreast.static.fit import misfit, out_of_bounds
from abreast.suggestions import did_you_mean, listed
from abreast.validation.components import Component, check, components, schema_parameters
from abreast.validation.cross_checks import crosschecks
from abreast.validation.values import check_values


def validate(
    config: DictConfig | Mapping[str, Any],
    choices: Mapping[str, Any] | None = None,
    folders: Sequence[Path] | None = None,
) -> None:
    """Check a composed run configuration: names, types, ranges and what they mean for each other.

    Args:
        config: The configuration, as Hydra composed it or as plain data.
        choices: The option chosen in each group, for the messages.
        folders: The configuration directories; by default `conf/` alone.

    Raises:
        ConfigError: With a line for each mistake.
    """
    if isinstance(config, Mapping):
        config = OmegaConf.create(dict(config))
    validate_values(_resolved(config), choices, folders)


def validate_values(
    values: Mapping[str, Any],
    choices: Mapping[str, Any] | None = None,
    folders: Sequence[Path] | None = None,
    checked: dict[str, list[str]] | None = None,
) -> None:
    """As `validate`, for plain values without interpolations.

    Args:
        values: The configuration.
        choices: As `validate`.
        folders: As `validate`.
        checked: The messages for each part that has been checked, by its content; new ones are added.

    Raises:
        ConfigError: With a line for each mistake.
    """
    folders = folders or [conf_dir()]
    problems = [*_unset(values), *check_values(values)]
    if not problems:
        problems += _structure(values, choices or {}, folders)
        for component in components(values, choices or {}):
            problems += [component] if isinstance(component, str) else _checked(component, checked)
        keys = set(map(_key, problems))
        problems += [problem for problem in crosschecks(values, folders) if _key(problem) not in keys]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _checked(component: Component, checked: dict[str, list[str]] | None) -> list[str]:
    """The messages for a component, those of an earlier one with the same content if there was one."""
    if checked is None:
        return list(check(component))
    content = repr((component.key, component.section, component.label, component.values))
    if content not in checked:
        checked[content] = list(check(component))
    return checked[content]


def _key(problem: str) -> str:
    """The key a message is about."""
    return problem.partition(":")[0].partition("[")[0]


def _resolved(config: DictConfig) -> Config:
    """Plain values. Raises ConfigError for an interpolation that cannot be resolved."""
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
        for name, inner in value.items():
            yield from _unset(inner, f"{key}.{name}" if key else str(name))
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from _unset(element, f"{key}[{index}]")


def _structure(
    config: Mapping[str, Any], choices: Mapping[str, Any], folders: Sequence[Path]
) -> Iterator[str]:
    """Mistakes in the top level's keys, in which groups there are, and in the keys that are not built."""
    top = top_level(folders)
    for name in config:
        if name in top:
            continue
        if name in groups(folders) and choices.get(name) is not None:
            file = f"{name}/{choices[name]}.yaml"
            yield f"{name}: is not a part of a run; the first line of {file} must be `# @package _global_`"
        else:
            yield no_such_top_level(name, folders)
    for name, default in top.items():
        value = config.get(name)
        is_group = default == {}
        if is_group and value is None:
            yield f"{name}: is missing; choose one of {listed(groups(folders).get(name, ()))}"
        elif is_group and value is not None and not isinstance(value, Mapping):
            choices_of = listed(groups(folders).get(name, ()))
            yield f"{name}: {value!r} is not a group of keys; choose one of {choices_of}"
        elif not is_group and name not in config:
            yield f"{name}: is missing; write {name}={default}"
    yield from _misfits("", {name: config[name] for name in names(RunKeys) if name in config}, RunKeys)
    sweep = config.get("sweep")
    if not isinstance(sweep, Mapping) or set(sweep) != set(names(SweepKeys)):
        yield f"sweep: {sweep!r} must hold {listed(names(SweepKeys))} and nothing else"
    else:
        yield from _misfits("sweep.", sweep, SweepKeys)
    schedule = config.get("schedule")
    if isinstance(schedule, Mapping):
        yield from _schedule(schedule)


def _schedule(schedule: Mapping[str, Any]) -> Iterator[str]:
    keys = ("scheduler", *names(ScheduleKeys))
    for name in set(schedule) - set(keys):
        near = did_you_mean(name, keys, "schedule.{}")
        yield f"schedule.{name}: no such key. A schedule has {listed(keys)}{near}"
    for name in keys:
        if name not in schedule:
            yield f"schedule.{name}: is missing; a schedule has {listed(keys)}"
    own_keys = {name: schedule[name] for name in names(ScheduleKeys) if name in schedule}
    yield from _misfits("schedule.", own_keys, ScheduleKeys)


def _misfits(prefix: str, values: Mapping[str, Any], schema: type) -> Iterator[str]:
    """A message for each value that does not fit its key in a schema, whose source is read."""
    parameters = schema_parameters(schema)
    for name, value in values.items():
        kinds = kinds_of(parameters[name])
        message = misfit(f"{prefix}{name}", value, kinds)
        if message is not None:
            yield message
        else:
            yield from out_of_bounds(f"{prefix}{name}", value, kinds)


# What other tools, and other people, call our groups and keys.
ELSEWHERE = {
    "batch_size": "data.batch_size",
    "criterion": "loss",
    "dataset": "data",
    "devices": "trainer.devices",
    "epochs": "trainer.max_epochs",
    "hidden": "model.hidden",
    "learning_rate": "optim.lr",
    "lr": "optim.lr",
    "max_epochs": "trainer.max_epochs",
    "momentum": "optim.momentum",
    "network": "model",
    "optimizer": "optim",
    "precision": "trainer.precision",
    "scheduler": "schedule",
    "weight_decay": "optim.weight_decay",
}


def no_such_top_level(name: str, folders: Sequence[Path]) -> str:
    """The message for a key that a run does not have."""
    top = top_level(folders)
    if name in groups(folders) and name not in top:
        return (
            f"{name}: has no keys, as its files set those of other parts; change these by their own names, "
            f"which abreast show {name}=... lists"
        )
    chosen = sorted({*groups(folders)} | {key for key, default in top.items() if default == {}})
    keys = [key for key, default in top.items() if default != {}]
    near = f". Did you mean {ELSEWHERE[name]}?" if name in ELSEWHERE else did_you_mean(name, [*chosen, *keys])
    return f"{name}: no such group or key. Groups: {listed(chosen)}. Keys: {listed(keys)}{near}"
