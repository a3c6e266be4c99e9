"""Overrides as text: those of the command line, and those that a study writes for its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from abreast.errors import ConfigError


@dataclass(frozen=True)
class CommandLine:
    """The overrides of a command line, by key.

    Attributes:
        fixed: The overrides that are the same for every run.
        swept: The values of the keys that are swept over.
    """

    fixed: Mapping[str, str] = field(default_factory=dict)
    swept: Mapping[str, tuple[object, ...]] = field(default_factory=dict)


INTERVAL_OF_STUDY = (
    "a study draws from the intervals of its space. Write "
    "hydra.sweeper.space.default={{{key}:{{low:...,high:...}}}}, or list the values: {key}=1,2"
)


def parse_command_line(
    arguments: Sequence[str], loader: ConfigLoader | None = None, of_interval: str = INTERVAL_OF_STUDY
) -> CommandLine:
    """Sort the overrides of a command line.

    Args:
        arguments: Overrides such as `data=mnist` or `optim.lr=0.1,0.01`.
        loader: Hydra's loader, for values such as `glob(*)`.
        of_interval: What the message says of a sweep over an interval of `{key}`.

    Raises:
        ConfigError: For a sweep over an interval.
    """
    fixed: dict[str, str] = {}
    swept: dict[str, tuple[object, ...]] = {}
    for parsed in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        if not parsed.is_sweep_override():
            fixed[parsed.key_or_group] = str(parsed.input_line)
        elif parsed.is_discrete_sweep():
            swept[parsed.get_key_element()] = tuple(parsed.sweep_iterator())
        else:
            key = parsed.key_or_group
            raise ConfigError(f"{parsed.input_line}: {of_interval.format(key=key)}")
    return CommandLine(fixed, swept)


def override(key: str, value: object) -> str:
    """Write `key=value` as Hydra reads it."""
    return f"{key}={override_value(value)}"


def override_value(value: object) -> str:
    """Write a value as Hydra reads it."""
    return Override._get_value_element_as_str(value)  # type: ignore[arg-type]
