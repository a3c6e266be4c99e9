"""Search spaces: their dimensions, the settings to try, and whether one space contains another."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from abreast.config.canonical_text import canonical_text
from abreast.config.types import is_number
from abreast.suggestions import did_you_mean, listed

Setting = Mapping[str, object]  # the values of the tuned keys

EDGE = 0.05  # the share of an interval at each end that counts as its edge
_INTERVAL = ("low", "high", "scale")
_SCALES = ("log", "linear")


@dataclass(frozen=True)
class Values:
    """A list of values, in declared order."""

    values: tuple[object, ...]

    def at(self, share: float) -> object:
        """Return the value at a share in [0, 1) of the list."""
        return self.values[int(share * len(self.values))]

    def is_edge(self, value: object) -> bool:
        """Tell whether a number is the smallest or the largest of several.

        0 as the smallest does not count: what is switched off (momentum, weight decay) cannot be lower.
        """
        numbers = [item for item in self.values if is_number(item)]
        if not is_number(value) or len(numbers) < 2:
            return False
        return bool(value == max(numbers) or (value == min(numbers) and value != 0))

    def __str__(self) -> str:
        return f"[{listed(map(_short, self.values))}]"


@dataclass(frozen=True)
class Interval:
    """The numbers from low to high, drawn uniformly on a linear or a logarithmic scale."""

    low: float
    high: float
    is_log: bool = True

    def at(self, share: float) -> float:
        """Return the number at a share in [0, 1) of the interval, rounded to four significant digits."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        drawn = low + share * (high - low)
        rounded = float(f"{math.exp(drawn) if self.is_log else drawn:.4g}")
        return min(max(rounded, self.low), self.high)

    def is_edge(self, value: object) -> bool:
        """Tell whether a number lies in the outer 5 % of the interval, on its scale; 0 as for `Values`."""
        assert is_number(value)
        low, high = self._scaled(self.low), self._scaled(self.high)
        share = (self._scaled(value) - low) / (high - low)
        return share > 1 - EDGE or (share < EDGE and self.low != 0)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else value

    def __str__(self) -> str:
        return f"{_short(self.low)} to {_short(self.high)}, {'log' if self.is_log else 'linear'}"


Dimension = Values | Interval


def read_dimension(key: str, node: object) -> Dimension | str:
    """Read a dimension as a study declares it.

    Args:
        key: Where it is declared, for the message.
        node: A list of values, or a mapping with `low`, `high` and, unless it is `log`, `scale`.

    Returns:
        The dimension; a message if it is invalid.
    """
    if isinstance(node, Mapping):
        return _interval(key, node)
    if not isinstance(node, list):
        return f"{key}: {node!r} is not a dimension; write a list of values or {{low: 1e-4, high: 0.1}}"
    if not node:
        return f"{key}: an empty list has nothing to try; give it values, or null to remove the dimension"
    if len({canonical_text(value) for value in node}) < len(node):
        return f"{key}: {node} contains a value twice"
    return Values(tuple(node))


def _interval(key: str, node: Mapping[object, object]) -> Dimension | str:
    for name in node:
        if name not in _INTERVAL:
            near = did_you_mean(str(name), _INTERVAL)
            return f"{key}.{name}: unknown key. An interval has {listed(_INTERVAL)}{near}"
    low, high = node.get("low"), node.get("high")
    scale = node.get("scale", "log")
    if scale not in _SCALES:
        return f"{key}.scale: must be one of {listed(_SCALES)}, got {scale}"
    if not (is_number(low) and is_number(high) and math.isfinite(low) and math.isfinite(high) and low < high):
        return f"{key}: an interval requires two numbers low < high, got low={low}, high={high}"
    if scale == "log" and low <= 0:
        return f"{key}: low={low} has no logarithm; write a low greater than 0, or scale: linear"
    return Interval(float(low), float(high), scale == "log")


def grid_size(space: Mapping[str, Dimension]) -> int | None:
    """Return the number of settings of a space; None if it has an interval, and so infinitely many."""
    sizes = [len(dimension.values) if isinstance(dimension, Values) else None for dimension in space.values()]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def draw_settings(space: Mapping[str, Dimension], trials: int, seed: int) -> list[Setting]:
    """Choose the settings to try. The result depends on the arguments only.

    A grid is tried completely, in declared order (the last key varies fastest), if it has as many settings
    as there are trials; else a part of it is drawn without replacement and kept in that order. A space with
    an interval is searched at random (Bergstra and Bengio 2012, JMLR 13, 281-305). Each draw is computed from
    a separate hash, so that a larger budget contains the smaller one, and cells with the same space try the
    same settings.

    Args:
        space: The dimensions by key.
        trials: The number of settings.
        seed: The seed of the draws.

    Raises:
        ValueError: If the grid has fewer settings than `trials`.
    """
    size = grid_size(space)
    if size is None:
        return [
            {key: dimension.at(_share(seed, key, trial)) for key, dimension in space.items()}
            for trial in range(trials)
        ]
    if trials > size:
        raise ValueError(f"{trials=} of a grid of {size}")
    lists = [dimension.values for dimension in space.values() if isinstance(dimension, Values)]
    grid: list[Setting] = [dict(zip(space, values, strict=True)) for values in product(*lists)]
    drawn = sorted(range(size), key=lambda index: _share(seed, canonical_text(grid[index]), 0))[:trials]
    return [grid[index] for index in sorted(drawn)]


def edge_messages(space: Mapping[str, Dimension], setting: Setting) -> Iterator[str]:
    """Yield a message for each number of a setting at the edge of its dimension."""
    for key, value in setting.items():
        if space[key].is_edge(value):
            yield f"{key}={_short(value)} is at the edge of {space[key]}: values beyond it may be better"


def contains_dimension(outer: Dimension, inner: Dimension) -> bool:
    """Tell whether every value of `inner` is one of `outer`."""
    if isinstance(inner, Interval):
        return isinstance(outer, Interval) and outer.low <= inner.low and inner.high <= outer.high
    if isinstance(outer, Interval):
        return all(is_number(value) and outer.low <= value <= outer.high for value in inner.values)
    return all(value in outer.values for value in inner.values)


def contains_space(
    outer: Mapping[str, Dimension],
    inner: Mapping[str, Dimension],
    differences: Sequence[tuple[str, object, object]],
) -> bool:
    """Tell whether one cell can take every configuration that another one can.

    Args:
        outer: The dimensions of the cell that may contain the other.
        inner: The dimensions of the other cell.
        differences: Every key that one of them tunes or in which their configurations differ, with its value
            in the outer and in the inner configuration. A cell that does not tune the key has this value.
    """
    return all(
        contains_dimension(outer.get(key, Values((of_outer,))), inner.get(key, Values((of_inner,))))
        for key, of_outer, of_inner in differences
    )


def _share(seed: int, key: str, trial: int) -> float:
    """A pseudo-random number in [0, 1) that is the same on every machine."""
    digest = hashlib.sha256(f"{seed}|{key}|{trial}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
