"""Splits that keep all rows of a group, such as those of one patient, in one part."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.data.split import generator
from abreast.errors import ConfigError


def group_split(groups: Tensor, fraction: float, seed: int, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Split rows into (train, held out), both sorted int64 indices: a pure function of the arguments.

    Groups are held out in a random order, each unless it would take the rows further from
    `round(fraction * N)`, or the last rows of a class out of the training rows; at least one group, if the
    fraction is above 0, and never all.

    Args:
        groups: int64 `[N]`, the group of each row.
        fraction: Share of the rows to hold out.
        seed: Draws the order of the groups.
        targets: The rows' classes, int64 `[N]`; floating-point values have none.

    Raises:
        ConfigError: There is only one group, or none that the classes can spare.
    """
    names, numbers, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    if not fraction:
        return torch.arange(len(groups)), torch.arange(0)
    if len(names) < 2:
        raise ConfigError("data.group: all rows are of one group; a part to hold out needs another one")
    left = _rows_of_classes(numbers, targets)
    wanted = round(fraction * len(groups))
    held, chosen = 0, torch.zeros(len(names), dtype=torch.bool)
    for group in torch.randperm(len(names), generator=generator(seed, "group split")).tolist():
        count = int(counts[group])
        is_first = not bool(chosen.any())
        is_nearer = is_first or abs(held + count - wanted) < abs(held - wanted)
        is_spared = bool((left[~chosen].sum(0) > left[group]).all())
        if is_nearer and is_spared:
            chosen[group] = True
            held += count
    if not held:
        raise ConfigError(
            "data.group: every group has a class that no other group has, so none can be held out; give "
            "more rows, or leave data.group out"
        )
    is_held = chosen[numbers]
    return (~is_held).nonzero().flatten(), is_held.nonzero().flatten()


def _rows_of_classes(numbers: Tensor, targets: Tensor) -> Tensor:
    """Rows of each class in each group, int64 `[groups, classes]`; without classes all rows are of one."""
    classes = torch.zeros_like(numbers)
    if not targets.is_floating_point():
        _, classes = torch.unique(targets, return_inverse=True)
    rows = torch.zeros(int(numbers.max()) + 1, int(classes.max()) + 1, dtype=torch.int64)
    return rows.index_put_((numbers, classes), torch.ones_like(numbers), accumulate=True)


def group_fold_numbers(groups: Tensor, folds: int, seed: int) -> Tensor:
    """The fold of every row, int64 `[N]`; all rows of a group are in one fold.

    The groups, the largest first and equal ones in a random order, go to the fold with the fewest rows.

    Args:
        groups: int64 `[N]`, the group of each row.
        folds: The number of folds.
        seed: Draws the order of the groups.

    Raises:
        ConfigError: There are fewer groups than folds.
    """
    _, numbers, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    if not 2 <= folds <= len(counts):
        raise ConfigError(
            f"data.{folds=!r} of {len(counts)} groups must be a whole number from 2 to {len(counts)}: "
            "a fold has one group or more"
        )
    order = torch.randperm(len(counts), generator=generator(seed, "group folds"))
    order = order[counts[order].argsort(descending=True, stable=True)]
    rows, fold_of = [0] * folds, torch.empty(len(counts), dtype=torch.int64)
    for group in order.tolist():
        smallest = rows.index(min(rows))
        fold_of[group] = smallest
        rows[smallest] += int(counts[group])
    return fold_of[numbers]
