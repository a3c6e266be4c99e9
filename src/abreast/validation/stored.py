"""The configuration of a run directory, checked as that of a command line is: it may be damaged or edited."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from abreast.config.options import conf_dir, top_level
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.runs.config_file import TRAINED_GROUPS
from abreast.validation.validate import validate_values

TRAINED = (*TRAINED_GROUPS, "metrics")
TESTED = ("data", "model", "loss", "metrics")  # what evaluating and predicting build
FIX = "If nobody edited the file, restore it from a good copy"
NOT_INSTALLED = " is not installed"


def check_stored(config: Mapping[str, Any], file: Path, built: Collection[str] = TRAINED) -> None:
    """Check the configuration of a run directory.

    Args:
        config: The configuration.
        file: Its file, for the message.
        built: The groups that are to be built. What the others need may be missing from this machine.

    Raises:
        ConfigError: In one line, with the first mistake and the number of the others.
    """
    problems = stored_mistakes(config, built)
    if problems:
        more = f" (and {len(problems) - 1} more mistakes)" if len(problems) > 1 else ""
        raise ConfigError(f"{file}: {problems[0]}{more}. {FIX}")


def stored_mistakes(config: Mapping[str, Any], built: Collection[str] = TRAINED) -> list[str]:
    """The mistakes in the configuration of a run directory; else as `check_stored`."""
    problems = list(_names(config.get("names")))
    try:
        validate_values(_completed(config))
    except ConfigError as error:
        problems += str(error).splitlines()
    later = [name for name in top_level([conf_dir()]) if name not in config and name not in TRAINED_GROUPS]
    problems = [problem for problem in problems if problem.partition(":")[0] not in later]
    return [problem for problem in problems if NOT_INSTALLED not in problem or _group(problem) in built]


def _names(names: object) -> Iterator[str]:
    """A message where the names of the options are not a text for each group."""
    kinds = (str, list, type(None))
    is_named = isinstance(names, Mapping) and all(isinstance(name, kinds) for name in names.values())
    if names is not None and not is_named:
        yield f"names: {str(names)[:40]!r} is not the names of the options, one for each group"


def _completed(config: Mapping[str, Any]) -> Config:
    """The configuration with the defaults of keys that a later release has added."""
    top = {key: value for key, value in top_level([conf_dir()]).items() if value != {}}
    return {**top, **{str(key): value for key, value in config.items() if key != "names"}}


def _group(problem: str) -> str:
    return problem.partition(":")[0].partition(".")[0]
