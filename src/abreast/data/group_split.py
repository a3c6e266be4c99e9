"""Splits that keep all rows of a group, such as those of one patient, in one part."""

from __future__ import annotations

import torch
from torch import Tensor

from abreast.data.split import generator
from abreast.errors import ConfigError


def group_split(groups: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split rows into (train, held out), both sorted int64 indices: a pure function of the arguments.

    Groups are held out in a random order, each unless it would take the rows further from
    `round(fraction * N)`; at least one group, if the fraction is above 0, and never all.

    Args:
        groups: int64 `[N]`, the group of each row.
        fraction: Share of the rows to hold out.
        seed: Draws the order of the groups.

    Raises:
        ConfigError: There is only one group.
    """
    _, numbers, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    if fraction and len(counts) < 2:
        raise ConfigError("data.group: all rows are of one group; a part to hold out needs another one")
    wanted = round(fraction * len(groups))
    held, chosen = 0, torch.zeros(len(counts), dtype=torch.bool)
    order = torch.randperm(len(counts), generator=generator(seed, "group split")).tolist() if fraction else []
    for group in order:
        count = int(counts[group])
        is_first = not bool(chosen.any())
        if (is_first or abs(held + count - wanted) < abs(held - wanted)) and int(chosen.sum()) + 1 < len(
            counts
        ):
            chosen[group] = True
            held += count
    is_held = chosen[numbers]
    return (~is_held).nonzero().flatten(), is_held.nonzero().flatten()


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
            "a fold has "
            "one group or more"
        )
    order = torch.randperm(len(counts), generator=generator(seed, "group folds"))
    order = order[counts[order].argsort(descending=True, stable=True)]
    rows, fold_of = [0] * folds, torch.empty(len(counts), dtype=torch.int64)
    for group in order.tolist():
        smallest = rows.index(min(rows))
        fold_of[group] = smallest
        rows[smallest] += int(counts[group])
    return fold_of[numbers]
