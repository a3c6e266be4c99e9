"""The log of looks at the test set, in the directory of a study or decision: JSON lines. No torch."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.runs.files import LOOKS


def note_look(
    directory: Path,
    metric: str,
    occasion: str,
    runs: int,
    *,
    cells: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> None:
    """Add a look to the log, unless it is there already: a command that is run again looks at the same runs.

    Args:
        directory: Of the study or decision.
        metric: What was looked at, such as `test/accuracy`.
        occasion: When, such as `decide, wave 2`.
        runs: The number of runs whose test was looked at.
        cells: What was compared.
        seeds: The seeds of the runs.

    Raises:
        OSError: If the log cannot be written.
    """
    look: Json = {"metric": metric, "occasion": occasion, "runs": runs}
    look |= {"cells": list(cells)} if cells else {}
    look |= {"seeds": list(seeds)} if seeds else {}
    if any(look.items() <= earlier.items() for earlier in read_looks(directory)):
        return
    line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **look}, ensure_ascii=False)
    path = directory / LOOKS
    with path.open("a+b") as file:
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # a process was killed while it wrote
                file.write(b"\n")
        file.write(f"{line}\n".encode())


def read_looks(directory: Path) -> list[Json]:
    """Read the looks that were noted, the first at first; a line that was cut off is left out.

    Raises:
        RunError: If the log cannot be read.
    """
    try:
        lines = (directory / LOOKS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{directory / LOOKS}: cannot be read ({error})") from None
    looks = []
    for line in lines:
        try:
            look = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(look, dict):
            looks.append(look)
    return looks


def count_looks(looks: Sequence[Json]) -> str:
    """Write `once` or `3 times`.

    >>> count_looks([{}])
    'once'
    """
    return "once" if len(looks) <= 1 else "twice" if len(looks) == 2 else f"{len(looks)} times"


def looks_notes(looks: Sequence[Json]) -> list[str]:
    """Say what several looks at the test set mean for a report on the last one; nothing for a single look."""
    if len(looks) < 2:
        return []
    listed = "; ".join(
        f"{look.get('time')}, {look.get('occasion')}: {look.get('runs')} runs" + _seeds(look.get("seeds"))
        for look in looks
    )
    return [
        f"The test set was looked at {count_looks(looks)} ({listed}). Only the runs of the last look are "
        "compared, and none of the others pooled with them. Its error rates hold as if it were the only one: "
        "if an earlier look decided what was run again, more differences are claimed falsely."
    ]


def _seeds(seeds: object) -> str:
    return f" on seeds {', '.join(map(str, seeds))}" if isinstance(seeds, list) and seeds else ""
