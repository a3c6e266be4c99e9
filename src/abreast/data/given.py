"""Arrays that were given in Python."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt, Lt

from abreast.data.arrays import source_of_arrays
from abreast.data.source import Source
from abreast.runtime.given import given_object


def given(
    arrays: str,
    test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.2,
    task: Literal["classification", "regression"] = "classification",
) -> Source:
    """Arrays that the caller of the Python API has given, as `abreast.data.npz` reads them.

    Args:
        arrays: The name under which they were given (`abreast.runtime.given`).
        test_fraction: Share of the rows to test on, where no test arrays are given.
        task: Whether targets are classes or numbers.

    Raises:
        RunError: They were not given to this process.
        DataError: A value is wrong; the message names it.
    """
    return source_of_arrays("data", given_object("data", arrays), test_fraction, task)
