"""Overrides as text: what the command line gave, and what a study writes for its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from abreast.errors import ConfigError


@dataclass(frozen=True)
class Given:
    """The command line, by key: what is the same in every run, and the values of what is swept over."""

    fixed: Mapping[str, str] = field(default_factory=dict)
    swept: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


def given(arguments: Sequence[str], loader: ConfigLoader | None = None) -> Given:
    """Sort the overrides of a command line. Raises ConfigError for a sweep whose values cannot be listed."""
    fixed: dict[str, str] = {}
    swept: dict[str, tuple[Any, ...]] = {}
    for each in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        if not each.is_sweep_override():
            fixed[each.key_or_group] = str(each.input_line)
        elif each.is_discrete_sweep():
            swept[each.get_key_element()] = tuple(each.sweep_iterator())
        else:
            key = each.key_or_group
            raise ConfigError(
                f"{each.input_line}: a study draws from the intervals of its space: write "
                f"hydra.sweeper.space.default={{{key}:{{low:...,high:...}}}}, or list values: {key}=1,2"
            )
    return Given(fixed, swept)


def override(key: str, value: Any) -> str:
    """`key=value` as Hydra reads it."""
    return f"{key}={text(value)}"


def text(value: Any) -> str:
    """A value as Hydra reads it."""
    return Override._get_value_element_as_str(value)


def key_of(line: str) -> str:
    """The key that an override sets, without the signs before it."""
    return line.partition("=")[0].lstrip("+~")


def value_of(line: str) -> str:
    """The text of the value that an override sets."""
    return line.partition("=")[2]
