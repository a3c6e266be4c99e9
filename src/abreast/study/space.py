"""What is tuned: dimensions, the settings that are tried, and how two spaces lie to each other."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from abreast.suggestions import did_you_mean, listed

Setting = dict[str, Any]

EDGE = 0.05  # the share of an interval, at each end, that counts as its edge
_INTERVAL = ("low", "high", "scale")
_SCALES = ("log", "linear")


@dataclass(frozen=True)
class Values:
    """A list to choose from, in the order it was declared."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value at a share in [0, 1) of the list."""
        return self.values[int(share * len(self.values))]

    def is_edge(self, value: Any) -> bool:
        """Whether a number is the smallest or largest of several.

        0 as the smallest is no edge: what is switched off (momentum, weight decay) cannot be less.
        """
        numbers = [each for each in self.values if is_number(each)]
        if not is_number(value) or len(numbers) < 2:
            return False
        return bool(value == max(numbers) or (value == min(numbers) and value != 0))

    def __str__(self) -> str:
        return f"[{listed(map(_short, self.values))}]"


@dataclass(frozen=True)
class Interval:
    """The numbers from low to high, drawn evenly on a linear or a logarithmic scale."""

    low: float
    high: float
    is_log: bool = True

    def at(self, share: float) -> float:
        """The number at a share in [0, 1) of the interval, to four digits."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        drawn = low + share * (high - low)
        rounded = float(f"{math.exp(drawn) if self.is_log else drawn:.4g}")
        return min(max(rounded, self.low), self.high)

    def is_edge(self, value: Any) -> bool:
        """Whether a number lies in the outer twentieth of the interval, on its own scale; see `Values`."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        share = (self._scaled(value) - low) / (high - low)
        return share > 1 - EDGE or (share < EDGE and self.low != 0)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else value

    def __str__(self) -> str:
        return f"{_short(self.low)} to {_short(self.high)}, {'log' if self.is_log else 'linear'}"


Dimension = Values | Interval


def read(key: str, node: Any) -> Dimension | str:
    """A dimension as a study declares it; a message where it is none."""
    if isinstance(node, Mapping):
        return _interval(key, node)
    if not isinstance(node, list):
        return f"{key}: {node!r} is no dimension; write a list of values or {{low: 1e-4, high: 0.1}}"
    if not node:
        return f"{key}: an empty list leaves nothing to try; give it values, or null to leave it out"
    if len({_text(each) for each in node}) < len(node):
        return f"{key}: {node} holds a value twice"
    return Values(tuple(node))


def _interval(key: str, node: Mapping[Any, Any]) -> Dimension | str:
    for name in node:
        if name not in _INTERVAL:
            near = did_you_mean(str(name), _INTERVAL)
            return f"{key}.{name}: no such key. An interval has {listed(_INTERVAL)}{near}"
    low: Any = node.get("low")
    high: Any = node.get("high")
    scale = node.get("scale", "log")
    if scale not in _SCALES:
        return f"{key}.scale: must be one of {listed(_SCALES)}, got {scale}"
    if not (is_number(low) and is_number(high) and math.isfinite(low) and math.isfinite(high) and low < high):
        return f"{key}: an interval needs two numbers, low < high, got low={low}, high={high}"
    if scale == "log" and low <= 0:
        return f"{key}: low={low} has no logarithm; write a low above 0, or scale: linear"
    return Interval(float(low), float(high), scale == "log")


def grid_size(space: Mapping[str, Dimension]) -> int | None:
    """How many settings there are; None where an interval makes them endless."""
    sizes = [len(each.values) if isinstance(each, Values) else None for each in space.values()]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def settings(space: Mapping[str, Dimension], trials: int, seed: int) -> list[Setting]:
    """The settings to try, a pure function of the arguments.

    The whole grid in declared order (the last key moves fastest) where `trials` is its size; where it is
    less, that many of it, drawn without replacement, in the same order. With an interval: random search
    (Bergstra & Bengio 2012), each draw from its own hash, so that a larger budget holds the smaller one, and
    cells with one space try the same settings. Raises ValueError for more trials than the grid has.
    """
    size = grid_size(space)
    if size is None:
        return [
            {key: each.at(_share(seed, key, trial)) for key, each in space.items()} for trial in range(trials)
        ]
    if trials > size:
        raise ValueError(f"{trials=} of a grid of {size}")
    lists = [each.values for each in space.values() if isinstance(each, Values)]
    grid = [dict(zip(space, values, strict=True)) for values in product(*lists)]
    drawn = sorted(range(size), key=lambda at: _share(seed, _text(grid[at]), 0))[:trials]
    return [grid[at] for at in sorted(drawn)]


def edges(space: Mapping[str, Dimension], setting: Setting) -> Iterator[str]:
    """A message for each number of a setting that sits on the edge of what was tried for it."""
    for key, value in setting.items():
        if space[key].is_edge(value):
            yield f"{key}={_short(value)} is on the edge of {space[key]}: what lies beyond may be better"


def holds(outer: Dimension, inner: Dimension) -> bool:
    """Whether every value of `inner` is one of `outer`."""
    if isinstance(inner, Interval):
        return isinstance(outer, Interval) and outer.low <= inner.low and inner.high <= outer.high
    if isinstance(outer, Interval):
        return all(is_number(each) and outer.low <= each <= outer.high for each in inner.values)
    return all(each in outer.values for each in inner.values)


def nested(
    outer: Mapping[str, Dimension], inner: Mapping[str, Dimension], apart: Sequence[tuple[str, Any, Any]]
) -> bool:
    """Whether all that the inner cell can be, the outer one can be as well.

    `apart`: where the cells' configs differ, and for every tuned key: the key and its value in the outer and
    in the inner config, which is what a cell has that does not tune the key.
    """
    return all(
        holds(outer.get(key, Values((of_outer,))), inner.get(key, Values((of_inner,))))
        for key, of_outer, of_inner in apart
    )


def is_number(value: Any) -> bool:
    """Whether a value can be ordered as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _share(seed: int, key: str, trial: int) -> float:
    """A number in [0, 1) that looks random and is the same on every machine."""
    digest = hashlib.sha256(f"{seed}|{key}|{trial}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
