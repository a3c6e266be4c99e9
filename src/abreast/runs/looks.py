"""The log of looks at the test set, in the directory of a study or decision: JSON lines. No torch."""

from __future__ import annotations

import json
import time
from pathlib import Path

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.runs.files import LOOKS


def note_look(directory: Path, metric: str, occasion: str, runs: int) -> None:
    """Add a look to the log, unless it is there already: a command that is run again looks at the same runs.

    Args:
        directory: Of the study or decision.
        metric: What was looked at, such as `test/accuracy`.
        occasion: When, such as `decide, wave 2`.
        runs: The number of runs whose test was looked at.

    Raises:
        OSError: If the log cannot be written.
    """
    look = {"metric": metric, "occasion": occasion, "runs": runs}
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
