"""A command of abreast inside the process of its caller: as on the command line, but errors are raised."""

from __future__ import annotations

from abreast.runtime import fast_import  # noqa: F401  before anything imports Lightning
from abreast.runtime.installed import is_installed

# isort: split
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from abreast.api.host import host_kept
from abreast.cli.hydra_flags import parse
from abreast.cli.latest_directory import latest_directory, note_directory
from abreast.cli.task import FULL_ERROR
from abreast.cli.train import run_command
from abreast.errors import AbreastError, Interrupted, StoppedError, disk_error
from abreast.runtime.environment import environment_variables
from abreast.runtime.given import Kind, given_objects

T = TypeVar("T")


def train_command(arguments: Sequence[str], objects: Mapping[tuple[Kind, str], Any]) -> Path:
    """Run what stands behind `python train.py`.

    Args:
        arguments: Flags and overrides.
        objects: What its configuration names of what was given in Python.

    Returns:
        The directory of the run or of the sweep.

    Raises:
        AbreastError: As the command line prints it.
        KeyboardInterrupt: The training was interrupted, and is saved.
    """

    def command() -> Path:
        sys.argv[:] = ["train.py", *arguments]
        outer = latest_directory()  # of a command in which this one is called
        note_directory(None)
        try:
            crash = run_command(parse(arguments))
            if crash is not None:
                raise crash
            directory = latest_directory()
        finally:
            note_directory(outer)
        assert directory is not None  # a command without one raises
        return directory

    return in_session(command, objects)


def in_session(command: Callable[[], T], objects: Mapping[tuple[Kind, str], Any]) -> T:
    """What the command returns; it runs alone, leaves the process as it was, raises as `train_command`."""
    stopped_by: int | None = None
    try:
        with (
            host_kept(),
            environment_variables({FULL_ERROR: None}),
            given_objects(objects),
            one_line_errors(),
        ):
            return command()
    except Interrupted as stop:
        stopped_by = stop.signum
    except SystemExit as end:
        raise StoppedError(f"the command has asked the process to end (exit code {end.code})") from None
    except AbreastError as error:
        cause = error.__cause__
        raise error.with_traceback(None) from cause if _is_of_user(cause) else None
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt
    signal.raise_signal(stopped_by)  # the host's own handler decides, now that the training is saved
    raise StoppedError(
        f"stopped by {signal.Signals(stopped_by).name}; the training is saved: call the same again, or "
        "abreast.resume(DIR)"
    )


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Raise what the command line tells in one line as an AbreastError."""
    try:
        yield
    except OSError as error:
        full = disk_error(error, None)
        if full is None:
            raise
        raise full from error


def _is_of_user(error: BaseException | None) -> bool:
    """Whether an error came from code that is not installed, such as a network's own forward."""
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    return any(not is_installed(Path(frame.filename)) for frame in frames)
