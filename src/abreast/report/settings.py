"""A run's settings: its configuration as flat keys, and the keys in which the runs of a sweep differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from abreast.config.neutral_keys import without_neutral
from abreast.errors import RunError
from abreast.metrics.objective import monitor
from abreast.runs.files import CONFIG

Scalar = str | int | float | bool | None
Settings = Mapping[str, Scalar]  # by dotted key, such as `optim.lr`

GROUPS = ("data", "model", "loss", "optim", "schedule", "trainer")
# Left out of tables and labels beside the keys of `abreast.config.neutral_keys`. This is a choice of what to
# show, not a claim that they cannot change a result: the seed distinguishes the runs of a group, the others
# follow from the options' names or say how a run was executed.
NOT_SHOWN = re.compile(
    r"(seed|test|resume|compile|experiment|debug|study)(\..*)?|data\.(eval_batch_size|task)(\..*)?"
    r"|loss\.(tasks|scores|targets)(\..*)?|trainer\.accelerator|.*\._partial_"
)
MOST_KEYS = 5_000  # a run has about a hundred


def flatten(config: Mapping[str, Any]) -> dict[str, Scalar]:
    """Flatten a configuration.

    Args:
        config: A run's resolved configuration.

    Returns:
        Its leaves by dotted key, without those that cannot change a result. The key of a group (`optim`)
        holds the option's name, and `monitor` the metric that is monitored in effect.

    Raises:
        RunError: If there are more keys than a configuration can have.
    """
    flat: dict[str, Scalar] = {}
    seen = 0
    nodes: list[tuple[str, Any]] = [(str(key), value) for key, value in without_neutral(config).items()]
    while nodes:
        key, value = nodes.pop()
        seen += 1
        if seen > MOST_KEYS:  # YAML aliases can expand a small file without end
            raise RunError(f"{CONFIG}: more than {MOST_KEYS} keys")
        if isinstance(value, Mapping):
            nodes += [(f"{key}.{name}", child) for name, child in value.items()]
        elif isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value):
            nodes += [(f"{key}.{index}", item) for index, item in enumerate(value)]
        elif isinstance(value, (str, int, float, bool)) or value is None:
            flat[key] = value
        else:
            flat[key] = str(value)
    names = config.get("names")
    for group in GROUPS:
        node = config.get(group)
        option = names.get(group) if isinstance(names, Mapping) else None
        if isinstance(node, Mapping):
            flat[group] = str(option or _class_name(node))
    try:
        monitored = monitor(config)
    except (KeyError, TypeError, AttributeError):  # an incomplete configuration
        monitored = None
    flat["monitor"] = monitored[0] if monitored else None
    return flat


def _class_name(node: Mapping[str, Any]) -> str:
    """The class that a group instantiates, for a group whose option is not known by name."""
    inner = node.get("criterion") or node.get("scheduler") or node
    target = inner.get("_target_") if isinstance(inner, Mapping) else None
    return str(target or "none").rsplit(".", 1)[-1]


def varied_keys(configs: Iterable[Settings]) -> tuple[str, ...]:
    """Find the keys in which configurations differ.

    A group counts as different if its option's name differs, and a key inside a group if it differs between
    configurations with the same option. A key whose values always equal those of another one is left out
    (`T_max`, which follows `max_epochs`).

    Args:
        configs: Flat configurations.

    Returns:
        The keys, groups first, in the order of `GROUPS`.
    """
    configs = list(configs)
    keys = {key for config in configs for key in config if not NOT_SHOWN.fullmatch(key)}
    varied: dict[str, list[Scalar]] = {}
    for key in sorted(keys, key=lambda key: (key.count("."), _position(key))):
        group = key.split(".")[0]
        is_inside = key != group and group in GROUPS
        column = [config.get(key) for config in configs]
        values: dict[Scalar, set[str]] = {}
        for config, value in zip(configs, column, strict=True):
            values.setdefault(config.get(group) if is_inside else None, set()).add(repr(value))
        if any(len(variants) > 1 for variants in values.values()) and column not in varied.values():
            varied[key] = column
    return tuple(sorted(varied, key=_position))


def _position(key: str) -> tuple[int, int, str]:
    group = key.split(".")[0]
    return (GROUPS.index(group) if group in GROUPS else len(GROUPS), key.count("."), key)


def settings_label(settings: Settings) -> str:
    """Write settings as on the command line, without those that do not apply.

    >>> settings_label({"loss": "mse", "optim.lr": 0.1, "optim.momentum": None})
    'loss=mse optim.lr=0.1'
    """
    pairs = [f"{key}={format_setting(value)}" for key, value in settings.items() if value is not None]
    return " ".join(pairs) or "all runs"


def format_setting(value: Scalar) -> str:
    """Write a setting's value as YAML and Hydra do."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
