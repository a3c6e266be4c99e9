"""Hydra's flags, such as `-m` and `--cfg`, and what Hydra may build before a run's targets are known."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from abreast.errors import ConfigError

# What Hydra may build before a run's targets are known: our checks, and its plugins' parts.
FOR_HYDRA = ("abreast.*", "hydra_plugins.*", "optuna.*", "joblib.*", "submitit.*", "ray.*")


def parse(arguments: Sequence[str]) -> Namespace:
    """Hydra's flags; a mistake in them as one message."""
    from hydra._internal.utils import get_args_parser

    from abreast.config.commands import COMMANDS
    from abreast.suggestions import did_you_mean

    parser = get_args_parser()
    flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]

    def error(self: ArgumentParser, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            flag = message.removeprefix("unrecognized arguments: ").split()[0]
            first = arguments[0]
            if not first.startswith("-") and "=" not in first and (meant := did_you_mean(first, COMMANDS)):
                raise ConfigError(f"{first}: is not a command{meant}")
            near = did_you_mean(flag, flags) or "."
            raise ConfigError(f"{flag}: no such flag{near} --help lists what there is")
        raise ConfigError(message)

    parser.error = error.__get__(parser)  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))


def modules_in(folders: Sequence[Path]) -> list[str]:
    """Everything in the modules and packages of some folders: they may hold custom Hydra callbacks."""
    names = {path.stem for folder in folders for path in folder.glob("*.py")}
    names |= {path.parent.name for folder in folders for path in folder.glob("*/__init__.py")}
    return [f"{name}.*" for name in sorted(names - sys.stdlib_module_names) if name.isidentifier()]
