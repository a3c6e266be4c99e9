"""Files of a folder that repeat a part of another one, such as `only_vit.csv` beside `all.csv`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from abreast.report.readers.foreign_run import ForeignRun
from abreast.runtime.printable import printable

# Words of a file's name that tell nothing of its runs.
_PLAIN = {
    *("only", "just", "subset", "part", "results", "result", "runs", "metrics", "scores", "table", "of")
}


def without_copies(files: Mapping[Path, Sequence[ForeignRun]]) -> tuple[dict[Path, list[ForeignRun]], str]:
    """The files without those that only repeat rows of a larger one, and a sentence on what was left out.

    Equal results alone make no copy: all rows have the same settings and several results as rows of the
    larger file, and the file's name says nothing but what a setting of all its rows says, too.

    Args:
        files: The runs of each file, before the file's name adds to their settings.
    """
    rows = {path: keys for path, runs in files.items() if len(files) > 1 and (keys := _keys(runs))}
    beside: dict[tuple[Path, object], list[Path]] = {}  # a folder's name says the same of all its files
    for path, keys in rows.items():
        for key in keys:
            beside.setdefault((path.parent, key), []).append(path)
    copies = [
        path
        for path, keys in rows.items()
        if _is_told(path, files[path])
        and any(keys < rows[other] for other in beside[path.parent, next(iter(keys))])
    ]
    left_out = {*copies}
    kept = {path: list(runs) for path, runs in files.items() if path not in left_out}
    parts = [f"{len(files[path])} runs of {printable(path.name)}" for path in copies[:3]]
    more = f", and those of {len(copies) - 3} files more," if len(copies) > 3 else ""
    return kept, f"{', '.join(parts)}{more} are in another file, too: they count once." if copies else ""


def _keys(runs: Sequence[ForeignRun]) -> set[object]:
    """The settings and results of each run; none where a single result may be equal by chance."""
    if any(len(run.final) < 2 for run in runs):
        return set()
    return {frozenset((run.settings | run.final).items()) for run in runs}


def _is_told(path: Path, runs: Sequence[ForeignRun]) -> bool:
    """Whether a setting that is a text, and the same in all runs, says what the file's name says."""
    first = runs[0].settings
    alike = [key for key in first if all(run.settings.get(key) == first[key] for run in runs)]
    words = [word for word in _words(path.name.partition(".")[0]) if word not in _PLAIN]
    return any(isinstance(first[key], str) and _words(str(first[key])) == words for key in alike)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", text.lower())
