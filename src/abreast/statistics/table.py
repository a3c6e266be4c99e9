"""Values of groups by block as one array."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class ValueTable(Generic[K]):
    """The values of groups.

    Attributes:
        names: The groups.
        blocks: The blocks, seeds or splits.
        values: Shape (groups, blocks); NaN where a group has no value in a block.
    """

    names: tuple[K, ...]
    blocks: tuple[Any, ...]
    values: NDArray[np.float64]

    def of(self, index: int) -> list[float]:
        """Return the values of the group with this index."""
        row = self.values[index]
        return [float(value) for value in row[np.isfinite(row)]]


def tabulate(groups: Mapping[K, Mapping[Any, float]]) -> ValueTable[K]:
    """Arrange values by group and block.

    Args:
        groups: The values of each group by block, all finite.

    Raises:
        ValueError: If a value is infinite or not a number.
    """
    blocks = tuple(dict.fromkeys(block for values in groups.values() for block in values))
    place = {block: index for index, block in enumerate(blocks)}
    values = np.full((len(groups), len(blocks)), np.nan)
    for row, (name, group) in enumerate(groups.items()):
        for block, value in group.items():
            if not np.isfinite(value):
                raise ValueError(f"group {name!r} has {value} in block {block!r}; values must be finite")
            values[row, place[block]] = value
    return ValueTable(tuple(groups), blocks, values)
