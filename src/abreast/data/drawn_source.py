"""Sources without an official test set: their test rows are drawn from all rows."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.data.columns import Column
from abreast.data.source import Source, Split
from abreast.errors import DataError


def drawn_source(
    inputs: Tensor,
    targets: Tensor,
    rows: tuple[Tensor, Tensor],
    classes: tuple[str, ...],
    columns: tuple[Column, ...] = (),
    groups: Tensor | None = None,
) -> Source:
    """Make a source of rows that are trained on and rows that are tested on.

    Args:
        inputs: Of all rows, `[N, *shape]`.
        targets: Of all rows.
        rows: The indices of the training rows, and of the test rows.
        classes: The names of the classes; () for a regression.
        columns: What the inputs of a table are, as of `Source`.
        groups: A group for every row, `[N]`; rows of one group are in the same part of the data.

    Raises:
        DataError: A class has one row alone.
    """
    train, test = rows
    if classes and groups is None:
        for name, count in zip(classes, targets.bincount(minlength=len(classes)).tolist(), strict=True):
            if count == 1:
                raise DataError(
                    f"the class {name!r} has one row alone, which cannot be in the training and the "
                    "test rows. Leave it out, or give test rows of your own"
                )
    return Source(
        Split(inputs[train], targets[train]),
        Split(inputs[test], targets[test]),
        classes,
        official_test=False,
        columns=columns,
        groups=None if groups is None else groups[torch.cat([train, test])],
    )
