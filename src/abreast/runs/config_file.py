"""The text of `config.yaml`, and the keys that a run cannot be rebuilt without. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.config.types import Config
from abreast.errors import RunError
from abreast.runs.format import with_format, without_format
from abreast.runs.small_file import parse_yaml, texts

RESTORE = "Restore it from a good copy: the run cannot be rebuilt without it"
CHOICES = ("best", "last")  # of checkpoints
GROUPS = ("data", "model", "loss", "trainer")  # what a run is tested from
TRAINED_GROUPS = (*GROUPS, "optim", "schedule", "callbacks", "logger")


def dump_config(config: Config) -> bytes:
    """The YAML of a resolved configuration, with the format version."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same text, six times as fast
    text = yaml.dump(with_format(config), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return str(text).encode()


def parse_config(text: str, file: Path) -> Config:
    """The configuration in a text that comes from `file`.

    Raises:
        RunError: If it is not YAML of plain values, not a mapping, not resolved or of a newer format.
    """
    try:
        config = parse_yaml(text, file)
    except RunError as error:
        raise RunError(f"{error}. {RESTORE}") from None
    if not isinstance(config, dict):
        raise RunError(f"{file}: holds no configuration. {RESTORE}")
    if any("${" in value for value in texts(config)):  # resolving it could run anything
        raise RunError(f"{file}: is not resolved: it holds a ${{...}}. {RESTORE}")
    return without_format(config, file)


def check_shape(config: Mapping[str, Any], file: Path, groups: Sequence[str] = GROUPS) -> None:
    """Check that the configuration of `file` has the keys that a run is rebuilt from.

    Raises:
        RunError: For the first key that is missing or is not of the right type.
    """
    types: dict[str, type] = {
        **dict.fromkeys(groups, dict),
        "seed": int,
        "checkpoint": str,
        "monitor": str,
    }
    values = {"monitor": "", **{key: value for key, value in config.items() if value is not None}}
    for key, kind in types.items():
        if key not in values:
            raise RunError(f"{file}: has no `{key}`. {RESTORE}")
        if not isinstance(values[key], kind):
            raise RunError(f"{file}: {key}={values[key]!r} is not a {_TYPES[kind]}. {RESTORE}")
    if config["checkpoint"] not in CHOICES:
        raise RunError(
            f"{file}: checkpoint={config['checkpoint']!r} must be {' or '.join(CHOICES)}. Another file "
            "can be given on the command line alone: --checkpoint PATH"
        )


_TYPES: dict[type, str] = {dict: "mapping", int: "whole number", str: "text"}
