"""A run's settings: its configuration as flat keys, to be shown; its identity tells which are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from abreast.config.identity import Identity, identity, is_data_path, leaves
from abreast.config.identity import Scalar as Scalar
from abreast.config.neutral_keys import without_neutral
from abreast.config.targets import GROUPS, built_class
from abreast.errors import RunError
from abreast.runs.files import CONFIG

Settings = Mapping[str, Scalar]  # by dotted key, such as `optim.lr`

MOST_KEYS = 5_000  # a run has about a hundred


class ShownFloat(float):
    """A float with the text that is shown for it: as many digits as tell it from the others of its column."""

    text: str


class ShownText(str):
    """A string that is shown in quotes: without them it would read as another value of its column."""

    text: str


ABSENT = ShownText("")  # of a key that a run's configuration does not have
ABSENT.text = ""


@dataclass(frozen=True, eq=False)
class RunSettings:
    """The configuration of a run as a report needs it; runs that differ in the seed alone share one.

    Attributes:
        flat: The configuration, such as `optim.lr`; a group's key (`optim`) holds its option's name.
        identity: What tells the settings from others.
    """

    flat: Settings
    identity: Identity

    def name(self, group: str) -> Scalar:
        """The name of the group's option."""
        return self.flat.get(group, ABSENT)

    def identified(self, *, with_paths: bool) -> dict[str, Scalar]:
        """The keys that tell settings apart, without those at their default; with the paths of the data."""
        keys = self.identity.leaves
        return {
            key: value
            for key, value in keys.items()
            if with_paths or not (key.startswith("data.") and is_data_path(key[len("data.") :], value))
        }


def read_settings(config: Mapping[str, Any]) -> RunSettings:
    """The settings of a run's resolved configuration.

    Raises:
        RunError: If there are more keys than a configuration can have.
    """
    _check_size(config)  # first: YAML aliases can expand a small file without end
    return RunSettings(flatten(config), identity(config))


def flatten(config: Mapping[str, Any]) -> dict[str, Scalar]:
    """Flatten a configuration.

    Args:
        config: A run's resolved configuration.

    Returns:
        Its leaves by dotted key, without those that cannot change a result. The key of a group (`optim`)
        holds the option's name, or the class for a group whose option is not known by name.
    """
    flat = leaves(without_neutral(config))
    names = config.get("names")
    for group in GROUPS:
        node = config.get(group)
        option = names.get(group) if isinstance(names, Mapping) else None
        if isinstance(node, Mapping):
            flat[group] = str(option or built_class(node) or "none")
    return flat


def _check_size(config: Mapping[str, Any]) -> None:
    nodes: list[Any] = [config]
    seen = 0
    while nodes:
        node = nodes.pop()
        seen += 1
        if seen > MOST_KEYS:
            raise RunError(f"{CONFIG}: more than {MOST_KEYS} keys")
        if isinstance(node, Mapping):
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


def settings_label(settings: Settings) -> str:
    """Write settings as on the command line, without those that a run does not have.

    >>> settings_label({"loss": "mse", "optim.lr": 0.1, "optim.momentum": ABSENT, "monitor": None})
    'loss=mse optim.lr=0.1 monitor=null'
    """
    pairs = [f"{key}={format_setting(value)}" for key, value in settings.items() if value is not ABSENT]
    return " ".join(pairs) or "all runs"


def format_setting(value: Scalar) -> str:
    """Write a setting's value as YAML and Hydra do."""
    if isinstance(value, (ShownFloat, ShownText)):
        return value.text
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
