"""What has changed in a run's directory since the run ended. No torch."""

from __future__ import annotations

import logging
from collections.abc import Collection

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.runs.checksums import SMALL, changed_files
from abreast.runs.directory import RunDirectory
from abreast.runs.files import RESULT
from abreast.runtime.printable import printable

log = logging.getLogger(__name__)

USED = (*SMALL, RESULT)  # by whatever opens a run, beside a checkpoint
UNDER_WAY = ("running", "interrupted", "failed")  # statuses of runs whose files belong to no result yet


def changes(directory: RunDirectory, names: Collection[str] = USED) -> list[str]:
    """The files of a run that has ended that are not what they were then.

    Raises:
        RunError: result.json cannot be read.
    """
    if readable(directory).get("status") in UNDER_WAY:
        return []  # where the status cannot be read, the result still says what the files were
    return changed_files(directory.read_result_with_checksums(), directory.path, names)


def report_changes(directory: RunDirectory, names: Collection[str] = USED) -> None:
    """Log a warning that names the files that have changed since the run ended, if there are any."""
    try:
        changed = changes(directory, names)
    except RunError as error:
        is_ended = (directory.path / RESULT).exists() or readable(directory).get("status") == "finished"
        if RESULT in names and is_ended:
            log.warning(printable(f"{error}. So nothing tells whether the other files have changed"))
        return
    if changed:
        log.warning(printable(f"{directory.path}: {describe(changed)}"))


def readable(directory: RunDirectory) -> Json:
    """The run's status; {} if it cannot be read."""
    try:
        return directory.read_status()
    except RunError:
        return {}


def describe(changed: Collection[str]) -> str:
    """Say that files have changed.

    >>> describe(["config.yaml"])
    'config.yaml has changed since the run ended (its checksum differs from the one in result.json)'
    """
    names = " and ".join(filter(None, [", ".join([*changed][:-1]), [*changed][-1]]))
    if list(changed) == [RESULT]:
        return f"{RESULT} has changed since the run ended (it differs from its own checksum)"
    if len(changed) == 1:
        return f"{names} has changed since the run ended (its checksum differs from the one in {RESULT})"
    return f"{names} have changed since the run ended (their checksums differ from those in {RESULT})"
