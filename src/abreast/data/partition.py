"""Which rows of a data set a run trains on, validates on and tests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from abreast.data.group_split import group_fold_numbers, group_split
from abreast.data.source import Source
from abreast.data.split import fold_numbers, stratified_split
from abreast.errors import ConfigError, DataError

Drawn = Literal["test", "val"]


@dataclass(frozen=True, eq=False)
class Partition:
    """Rows of `Source.pool`, by their positions in it: int64, rising.

    Attributes:
        train: Rows to train on.
        val: Rows to validate on.
        test: Rows to test on; None for the official test rows, which are not in the pool.
    """

    train: Tensor
    val: Tensor
    test: Tensor | None

    @property
    def drawn(self) -> Drawn:
        """The part that the split seed or the fold chooses first, of all rows."""
        return "val" if self.test is None else "test"


def partition(
    source: Source,
    val_fraction: float,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
) -> Partition:
    """Draw the parts, stratified by class or by whole groups: a pure function of the arguments.

    Without an official test set, fold `fold` of `folds` is tested on, or, without folds, as many rows as the
    source's own test set has, drawn by `split_seed`; seed 0 stands for that test set itself. `val_fraction`
    of the other rows is validated on; with official validation rows, split seed 0 stands for these. With an
    official test set, the fold is what is validated on.

    Args:
        source: The data set.
        val_fraction: Share of the rows that are not tested on to validate on.
        split_seed: Draws folds, test rows and validation rows.
        folds: The number of folds, or None.
        fold: The fold to test (or validate) on, from 0.

    Raises:
        ConfigError: The fold is missing or does not exist, or there are more folds than rows.
        DataError: Nothing is left to validate on.
    """
    targets, groups = source.pool_targets, source.pool_groups
    if folds is not None or fold is not None:
        rest, held_out = _fold(targets, groups, split_seed, folds, fold)
        _check_classes(source, rest, held_out)
    elif source.official_test:
        rest, held_out = torch.arange(len(targets)), torch.arange(0)
    elif split_seed == 0:
        count = len(source.train)
        rest, held_out = torch.arange(count), torch.arange(count, len(targets))
    else:
        rest, held_out = _drawn(targets, groups, len(source.test) / len(targets), split_seed)
    if source.official_test and folds is not None:
        return Partition(rest, held_out, None)
    if source.official_val and folds is None and split_seed == 0 and val_fraction > 0:
        first = len(source.train) - source.official_val
        return Partition(rest[:first], rest[first:], None if source.official_test else held_out)
    train, val = _drawn(targets[rest], None if groups is None else groups[rest], val_fraction, split_seed)
    if val_fraction > 0 and not len(val):
        raise DataError(
            f"{val_fraction=} of {len(train)} training row leaves none to validate on: "
            "set data.val_fraction=0, or give more rows"
        )
    return Partition(rest[train], rest[val], None if source.official_test else held_out)


def _drawn(targets: Tensor, groups: Tensor | None, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """The rows that are left, and those that are held out."""
    if groups is None:
        return stratified_split(targets, fraction, seed)
    return group_split(groups, fraction, seed, targets)


def _fold(
    targets: Tensor, groups: Tensor | None, seed: int, folds: int | None, fold: int | None
) -> tuple[Tensor, Tensor]:
    """The rows outside and inside the fold."""
    if folds is None:
        raise ConfigError(f"data.fold={fold}, but data.folds is null: set data.folds, such as data.folds=5")
    if fold is None:
        raise ConfigError(f"data.folds={folds} needs data.fold, from 0 to {folds - 1}: -m data.fold=0,1,...")
    numbers = (
        fold_numbers(targets, folds, seed) if groups is None else group_fold_numbers(groups, folds, seed)
    )
    if isinstance(fold, bool) or not isinstance(fold, int) or not 0 <= fold < folds:
        raise ConfigError(f"data.fold={fold!r} must be from 0 to {folds - 1}: data.folds={folds}")
    return (numbers != fold).nonzero().flatten(), (numbers == fold).nonzero().flatten()


def _check_classes(source: Source, rest: Tensor, fold: Tensor) -> None:
    """Raise DataError where whole groups took all rows of a class into the fold."""
    if source.groups is None or not source.classes:
        return
    left = {*source.pool_targets[rest].tolist()}
    for label in source.pool_targets[fold].tolist():
        if label not in left:
            raise DataError(
                f"data.fold: all rows of the class {source.classes[label]!r} are in groups of this fold, so "
                "none is left to train on. Choose another data.folds or data.split_seed, or no data.group"
            )
