"""A run that cannot be resumed as it was asked to stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException

from abreast.errors import ConfigError, RunError
from abreast.learner.checkpoint import file_version
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, LAST, STATUS
from abreast.runs.small_file import MOST_YAML_BYTES, read_text

# What a status names as the reason where the run, or one of its processes, was refused.
REFUSALS = (
    "ConfigError: ",
    "ChangedDataError: ",
    "DataError: ",
    "RunError: ",
    "MisconfigurationException: ",
)


@contextmanager
def unchanged_if_refused(directory: RunDirectory) -> Iterator[None]:
    """Restore configuration and status if what is done inside is refused before anything has been trained.

    Raises:
        ConfigError: Lightning has refused it.
    """
    before = {
        name: content for name in (CONFIG, STATUS) if (content := _content(directory.path / name)) is not None
    }
    trained = file_version(directory.checkpoints / LAST)
    try:
        yield
    except Exception as error:
        if file_version(directory.checkpoints / LAST) == trained and _is_refused(directory):
            for name, content in before.items():
                with suppress(OSError):
                    write_atomically(directory.path / name, content.encode())
        if isinstance(error, MisconfigurationException):
            raise ConfigError(" ".join(str(error).split())) from error
        raise


def _is_refused(directory: RunDirectory) -> bool:
    try:
        status = directory.read_status()
    except RunError:
        return False
    return status.get("status") == "failed" and str(status.get("reason")).startswith(REFUSALS)


def _content(path: Path) -> str | None:
    """The text of a small file; None where there is none that can be read, as it may be a stranger's."""
    try:
        return read_text(path, MOST_YAML_BYTES)
    except (OSError, RunError):
        return None
