"""What is wrong with the files of runs that a report counts nevertheless: it is named, never passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from abreast.errors import RunError
from abreast.runs.changes import describe
from abreast.runs.checksums import KEY, SMALL, changed_files
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, METRICS, RESULT

MOST_NAMES = 8  # runs that are named


def remarks(directory: RunDirectory, result: Mapping[str, Any]) -> Iterator[str]:
    """The sentences about one run that has finished; none if its files are as they were.

    Args:
        directory: The run's directory.
        result: The content of its result.json, with checksums; a run of an older release has none.
    """
    changed = changed_files(result, directory.path, (*SMALL, RESULT))
    is_unknown = KEY not in result
    if changed:
        yield describe(changed)
    if CONFIG in changed:
        from abreast.validation.stored import stored_mistakes  # late: it takes OmegaConf

        yield from (f"{CONFIG}: {mistake}" for mistake in stored_mistakes(directory.read_config(), ())[:1])
    if METRICS in changed or (is_unknown and (directory.path / METRICS).exists()):
        try:
            directory.read_metrics()
        except RunError as error:
            yield str(error).replace(f"{directory.path}/", "")


def remark_notes(remarks: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which runs have files that have changed or cannot be read, and that they are counted as they are.

    Args:
        remarks: The sentences by the name of the run.
    """
    runs = {name: lines for name, lines in remarks.items() if lines}
    if not runs:
        return []
    listed = "; ".join(f"{name}: {', '.join(lines)}" for name, lines in [*runs.items()][:MOST_NAMES])
    more = f"; and {len(runs) - MOST_NAMES} more in runs.csv" if len(runs) > MOST_NAMES else ""
    others = len(remarks) - len(runs)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return [
        f"Files of {count} are not what training wrote, and are taken as they are now ({listed}{more}). "
        f"Nothing of the kind was noticed in the other {others}."
    ]
