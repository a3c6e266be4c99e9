"""A run's settings: its configuration laid flat, and what of it sets the runs of a sweep apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from abreast.errors import RunError
from abreast.metrics.objective import monitor
from abreast.runs.files import CONFIG

Flat = Mapping[str, Any]

GROUPS = ("data", "model", "loss", "optim", "schedule", "trainer")
# What cannot change a result, or says again what the options' names say.
LEFT_OUT = re.compile(
    r"(seed|test|resume|compile|names|logger|experiment|debug|study)(\..*)?"
    r"|callbacks\.(progress|pictures)(\..*)?|data\.(dir|mirrors|eval_batch_size|task)(\..*)?"
    r"|loss\.(tasks|scores|targets)(\..*)?|trainer\.(log_every_n_steps|accelerator)|.*\._partial_"
)
MOST = 5_000  # keys; a run has about a hundred


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's leaves by dotted key, groups by their options' names, `monitor` as it is meant.

    Raises RunError for one of more keys than a run can have.
    """
    flat: dict[str, Any] = {}
    seen = 0
    nodes: list[tuple[str, Any]] = [(str(key), value) for key, value in config.items()]
    while nodes:
        key, value = nodes.pop()
        seen += 1
        if seen > MOST:  # YAML's aliases can make a small file endless
            raise RunError(f"{CONFIG}: more than {MOST} keys")
        if isinstance(value, Mapping):
            nodes += [(f"{key}.{name}", each) for name, each in value.items()]
        elif isinstance(value, list) and any(isinstance(each, (list, dict)) for each in value):
            nodes += [(f"{key}.{place}", each) for place, each in enumerate(value)]
        elif isinstance(value, (str, int, float, bool)) or value is None:
            flat[key] = value
        else:
            flat[key] = str(value)
    names = config.get("names")
    for group in GROUPS:
        node = config.get(group)
        named = names.get(group) if isinstance(names, Mapping) else None
        if isinstance(node, Mapping):
            flat[group] = str(named or _class(node))
    try:
        watched = monitor(config)
    except (KeyError, TypeError, AttributeError):  # a configuration that is not whole
        watched = None
    flat["monitor"] = watched[0] if watched else None
    return flat


def _class(node: Mapping[str, Any]) -> str:
    """What a group was set to, where its option's name is not known: the class it builds."""
    inner = node.get("criterion") or node.get("scheduler") or node
    target = inner.get("_target_") if isinstance(inner, Mapping) else None
    return str(target or "none").rsplit(".", 1)[-1]


def what_varied(configs: Iterable[Flat]) -> tuple[str, ...]:
    """The keys in which configurations differ: groups by name, and below a group what differs under one name.

    A key that has another's value everywhere (`T_max` that follows `max_epochs`) says nothing more.
    """
    found = list(configs)
    keys = {key for config in found for key in config if not LEFT_OUT.fullmatch(key)}
    varied: dict[str, list[Any]] = {}
    for key in sorted(keys, key=lambda key: (key.count("."), _place(key))):
        group = key.split(".")[0]
        is_below = key != group and group in GROUPS
        column = [config.get(key) for config in found]
        values: dict[Any, set[str]] = {}
        for config, value in zip(found, column, strict=True):
            values.setdefault(config.get(group) if is_below else None, set()).add(repr(value))
        if any(len(each) > 1 for each in values.values()) and column not in varied.values():
            varied[key] = column
    return tuple(sorted(varied, key=_place))


def _place(key: str) -> tuple[int, int, str]:
    group = key.split(".")[0]
    return (GROUPS.index(group) if group in GROUPS else len(GROUPS), key.count("."), key)


def label(settings: Mapping[str, Any]) -> str:
    """The settings as one would type them, `loss=mse optim.lr=0.1`, without those that do not apply."""
    shown = [f"{key}={text(value)}" for key, value in settings.items() if value is not None]
    return " ".join(shown) or "all runs"


def text(value: Any) -> str:
    """A setting's value as YAML and Hydra have it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
