"""Paths as people write them, and as they can be copied to a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from abreast.errors import ConfigError


def user_path(text: str | Path) -> Path:
    """The path with `~` and `~user` expanded; of a user that is not there it is taken as it is written."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def check_working_directory() -> None:
    """Raise ConfigError where the working directory was removed."""
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"The working directory: {error.strerror}. It was removed: change to another"
        ) from None


def resume_argument(directory: Path) -> str:
    """What a command line takes to resume a run, quoted for a shell.

    >>> resume_argument(Path("runs/a")), resume_argument(Path("runs/a b"))
    ('resume=runs/a', "'resume=runs/a b'")
    """
    return shlex.quote(f"resume={directory}")


def path_argument(path: Path) -> str:
    """What a command line takes for a path, quoted for a shell, and no option.

    >>> path_argument(Path("runs/a b")), path_argument(Path("-runs"))
    ("'runs/a b'", './-runs')
    """
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
