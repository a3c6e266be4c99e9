"""Tolerant readers: a report is written whatever state the files of a run are in."""

from __future__ import annotations

import math
from pathlib import Path

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.runs.small_file import MOST_YAML_BYTES, parse_json, parse_yaml, read_text

Curve = dict[str, list[float]]


def read_json(path: Path) -> Json:
    """Read a JSON object.

    Returns:
        The object; an empty one if the file is missing, unreadable or holds something else.
    """
    try:
        content = parse_json(read_text(path), path)
    except (OSError, RunError):
        return {}
    return content if isinstance(content, dict) else {}


def read_yaml(path: Path) -> object:
    """Read a YAML file.

    Returns:
        Its content as plain data; None if the file is missing, unreadable or not valid YAML.
    """
    try:
        content: object = parse_yaml(read_text(path, MOST_YAML_BYTES), path)
    except (OSError, RunError):
        return None
    return content


def read_curve(path: Path) -> Curve:
    """Read a metrics.csv.

    Returns:
        A list of values for each column, one value an epoch, nan for empty cells. Incomplete rows are left
        out: the last one may be in the middle of being written.
    """
    try:
        text = read_text(path)
    except (OSError, RunError):
        return {}
    lines = text.splitlines(keepends=True)
    if not lines or not lines[-1].endswith("\n"):
        lines = lines[:-1]
    if not lines:
        return {}
    header = lines[0].strip().split(",")
    rows = []
    for line in lines[1:]:
        cells = line.strip().split(",")
        try:
            row = [_number(cell) for cell in cells]
        except ValueError:
            continue
        if len(row) == len(header):
            rows.append(row)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def _number(cell: str) -> float:
    """A cell's value; nan where it is empty or not finite, as nothing can be drawn or averaged with that."""
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else math.nan
