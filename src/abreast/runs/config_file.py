"""The text of `config.yaml`, and the keys that a run cannot be rebuilt without. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.config.types import Config
from abreast.errors import RunError
from abreast.runs.format import with_format, without_format

RESTORE = "Restore it from a good copy: the run cannot be rebuilt without it"
MAX_DEPTH = 200  # nested lists and mappings: loading recurses, and could overrun the stack
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
        RunError: if it is not YAML, not a mapping, not resolved, too deeply nested or of a newer format.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same data, seven times as fast
    try:
        if max(map(text.count, "[{-?")) > MAX_DEPTH and _depth(yaml.parse(text, Loader=loader)) > MAX_DEPTH:
            raise RunError(f"{file}: is nested too deeply. {RESTORE}")
        config = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{file}: not valid YAML ({reason}). {RESTORE}") from None
    if not isinstance(config, dict):
        raise RunError(f"{file}: holds no configuration. {RESTORE}")
    if "${" in text:  # resolving it could run anything
        raise RunError(f"{file}: is not resolved: it holds a ${{...}}. {RESTORE}")
    return without_format(config, file)


def check_shape(config: Mapping[str, Any], file: Path, groups: Sequence[str] = GROUPS) -> None:
    """Check that the configuration of `file` has the keys that a run is rebuilt from.

    Raises:
        RunError: for the first key that is missing or is not of the right type.
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


_TYPES: dict[type, str] = {dict: "mapping", int: "whole number", str: "text"}


def _depth(events: Iterable[Any]) -> int:
    """How deeply the collections of a YAML text are nested; counting stops beyond `MAX_DEPTH`."""
    depth = deepest = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest
