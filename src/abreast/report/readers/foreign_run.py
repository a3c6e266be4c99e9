"""A run that something else trained, as its files describe it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abreast.config.identity import Scalar
from abreast.report.files import Curve
from abreast.runtime.printable import printable

MOST_TEXT = 200  # characters of a setting or of its key
MOST_KEYS = 2_000  # settings of a run, and metrics
MOST_VALUES = 100_000  # of a curve
LEFT_OUT = f"Only the first {MOST_KEYS:,} settings and metrics of a run were read."


@dataclass
class ForeignRun:
    """What the files of a run say.

    Attributes:
        path: Its file or folder.
        name: What it is called.
        settings: What it was trained with, the seed among them, by key.
        curves: The values of each metric, in the order in which they were logged.
        final: The metrics that the files give as the run's result; by default the last values of the curves.
        status: `finished`, `failed`, `running` or `unreadable`.
        reason: Why it did not finish.
        seconds: How long it ran, if that is known.
        fold: Of a cross-validation: its fold, and how many there are.
        spreads: Columns of its table that summarise others, such as standard deviations.
        left_out: Rows of its table that summarise others, by what they are called.
        remarks: Sentences on how it was read.
    """

    path: Path
    name: str
    settings: dict[str, Scalar] = field(default_factory=dict)
    curves: Curve = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)
    status: str = "finished"
    reason: str = ""
    seconds: float | None = None
    fold: tuple[int, int] | None = None
    spreads: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def set(self, settings: Mapping[str, Any]) -> None:
        """Add settings, nested ones by dotted key."""
        for key, value in flat(settings).items():
            if key in self.settings or len(self.settings) < MOST_KEYS:
                self.settings[key] = value
            else:
                self.remarks = (LEFT_OUT,)

    def add(self, name: str, value: object) -> None:
        """Add the next value of a metric; what is not a number is left out."""
        name = name[:MOST_TEXT]
        if name not in self.curves and len(self.curves) >= MOST_KEYS:
            self.remarks = (LEFT_OUT,)
            return
        number = as_number(value)
        curve = self.curves.setdefault(name, [])
        if number is not None and len(curve) < MOST_VALUES:
            curve.append(number)

    def results(self) -> dict[str, float]:
        """The value of each metric that counts: the final one, else the last of its curve; finite ones."""
        last = {name: curve[-1] for name, curve in self.curves.items() if curve}
        return {name: value for name, value in {**last, **self.final}.items() if math.isfinite(value)}


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")


def as_number(value: object) -> float | None:
    """A number, or the number that a text is; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if abs(value) < 1e300 or value != value else None
    if isinstance(value, str) and len(value) < 60:
        text = value.strip()
        if _NUMBER.fullmatch(text) or text.lower() in ("nan", "inf", "-inf"):
            return float(text)
    return None


def as_scalar(value: object) -> Scalar:
    """A setting as it is compared and shown: texts that are numbers or booleans become such."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if text in ("None", "null", ""):
            return None
        number = as_number(text)
        if number is not None and math.isfinite(number):
            return int(text) if re.fullmatch(r"[+-]?\d{1,15}", text) else number
        return printable(text[:MOST_TEXT])
    if value is None or isinstance(value, (bool, int)):
        return value if not isinstance(value, int) or abs(value) < 10**18 else str(value)[:MOST_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return printable(str(value)[:MOST_TEXT])


def flat(tree: Mapping[str, Any], depth: int = 8) -> dict[str, Scalar]:
    """Nested settings by dotted key; lists as text."""
    leaves: dict[str, Scalar] = {}

    def visit(node: Any, key: str, depth: int) -> None:
        if len(leaves) >= MOST_KEYS:
            return
        if isinstance(node, Mapping) and depth and node:
            for name, child in node.items():
                visit(child, f"{key}.{name}" if key else str(name), depth - 1)
        elif key:
            leaves[printable(key[:MOST_TEXT])] = as_scalar(node)

    visit(tree, "", depth)
    return leaves
