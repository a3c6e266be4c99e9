"""What every data set is turned into: two splits of tensors, class names, and known facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from abreast.data.checks import check_inputs, check_labels, check_values
from abreast.data.columns import Column, is_numeric
from abreast.data.digest import ContentDigest
from abreast.data.moments import level_counts
from abreast.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set, kept as stored.

    Attributes:
        inputs: uint8 for images (`[N, C, H, W]`), float32 for features (`[N, F]`), where NaN stands for a
            missing value of a table.
        targets: int64 `[N]` class indices, or float32 `[N, D]` for regression.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def between(self, first: int, last: int) -> Split:
        """The rows from `first` to before `last`; views."""
        return Split(self.inputs[first:last], self.targets[first:last])

    def moved(self, to: Callable[[Tensor], Tensor]) -> Split:
        """The same rows, of what `to` makes of each tensor."""
        return Split(to(self.inputs), to(self.targets))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of all rows in their stored order, `size` rows at a time; views."""
        return zip(torch.split(self.inputs, size), torch.split(self.targets, size), strict=True)


class Subset(Split):
    """Some rows of a split, which stay where they are: inputs are gathered whenever they are asked for.

    Subsets of one split share its memory, as the lanes of a stack do that train on other splits of one data
    set.

    Args:
        rows: The rows to choose from.
        indices: int64 `[N]`, on the device of the rows.
        targets: Targets `[N]` in place of the rows' own, such as noisy labels; None for the rows' own.
    """

    rows: Split
    indices: Tensor

    def __init__(self, rows: Split, indices: Tensor, targets: Tensor | None = None) -> None:
        chosen = rows.targets.index_select(0, indices) if targets is None else targets
        vars(self).update(rows=rows, indices=indices, targets=chosen)

    @property
    def inputs(self) -> Tensor:
        """The inputs `[N, *shape]`, a copy."""
        return self.rows.inputs.index_select(0, self.indices)

    def between(self, first: int, last: int) -> Split:
        """The subset's rows from `first` to before `last`."""
        return Subset(self.rows, self.indices[first:last], self.targets[first:last])

    def moved(self, to: Callable[[Tensor], Tensor]) -> Split:
        """The same subset, of what `to` makes of each tensor."""
        return Subset(self.rows.moved(to), to(self.indices), to(self.targets))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets, gathered `size` rows at a time."""
        for indices, targets in zip(
            torch.split(self.indices, size), torch.split(self.targets, size), strict=True
        ):
            yield self.rows.inputs.index_select(0, indices), targets


def chosen_rows(rows: Split, indices: Tensor, *, shared: bool) -> Split:
    """The rows at the indices `[N]`: a view of what is `shared`, else a copy unless all are chosen."""
    if shared:
        return Subset(rows, indices)
    if len(indices) == len(rows):  # all, in their order
        return rows
    return Split(rows.inputs.index_select(0, indices), rows.targets.index_select(0, indices))


@dataclass(frozen=True, eq=False)
class Source:
    """A data set in memory, checked once on the host.

    Attributes:
        train: Rows to train and to validate on.
        test: Rows to test on.
        classes: Class names, in the order of the indices; `()` for regression.
        facts: What is known of the data, e.g. `best_accuracy`.
        ignore_index: A label outside the classes that marks rows without one.
        official_test: Whether everybody tests on these very test rows. If not, `data.split_seed` and
            `data.folds` draw the test rows anew from all rows; `test` is then the draw of split seed 0.
        test_facts: Facts that are a mean over the test rows: a value for every row, those of `train` first.
        columns: What the inputs `[N, F]` of a table are; those of numbers are standardised one by one. ()
            where all values are normalised together.
        groups: int64, a group for every row, those of `train` first: all rows of a group are in the same part
            of the data. None: rows are drawn one by one.
        official_val: How many of the last rows of `train` everybody validates on; 0: they are drawn.

    Raises:
        DataError: The message names the split, the value, how many there are, and the fix.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    facts: Mapping[str, float] = field(default_factory=dict)
    ignore_index: int | None = None
    official_test: bool = True
    test_facts: Mapping[str, Tensor] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    groups: Tensor | None = None
    official_val: int = 0

    @cached_property
    def content(self) -> ContentDigest:
        """The digest of all rows, however they are split."""
        tensors = (self.train.inputs, self.train.targets, self.test.inputs, self.test.targets)
        return ContentDigest(self.classes, tensors)

    @cached_property
    def pool(self) -> Split:
        """The rows that parts are drawn from: the training rows, then the test rows if not official."""
        if self.official_test:
            return self.train
        return Split(torch.cat([self.train.inputs, self.test.inputs]), self.pool_targets)

    @cached_property
    def pool_targets(self) -> Tensor:
        """The targets of the pool's rows."""
        if self.official_test:
            return self.train.targets
        return torch.cat([self.train.targets, self.test.targets])

    @cached_property
    def pool_groups(self) -> Tensor | None:
        """The groups of the pool's rows."""
        return None if self.groups is None else self.groups[: len(self.pool_targets)]

    @cached_property
    def numeric(self) -> Tensor | None:
        """Whether each column is standardised, bool `[F]`; None without columns."""
        return is_numeric(self.columns) if self.columns else None

    @cached_property
    def pool_levels(self) -> Tensor | None:
        """How often each level is in the pool's inputs, float64 `[256]`; None if they are not uint8."""
        return level_counts(self.pool.inputs) if self.pool.inputs.dtype == torch.uint8 else None

    def __post_init__(self) -> None:
        if len({*self.classes}) < len(self.classes):
            raise DataError(f"classes {list(self.classes)} hold a name twice: give each class its own.")
        for name in (*self.classes, *(column.name for column in self.columns)):
            if name.encode(errors="ignore").decode() != name:  # of a file name that is not UTF-8
                raise DataError(f"the name {name!r} of a class or column is not text: rename it in UTF-8.")
        for name, split in (("train", self.train), ("test", self.test)):
            check_inputs(split.inputs, split.targets, name, self.columns)
            if self.classes:
                check_labels(split.targets, len(self.classes), name, self.ignore_index)
            else:
                check_values(split.targets, name)
        for what, train, test in (
            ("inputs", self.train.inputs, self.test.inputs),
            ("targets", self.train.targets, self.test.targets),
        ):
            if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
                raise DataError(
                    f"train {what} are {_rows(train)} but test {what} are {_rows(test)}: "
                    "a row of both splits must have one shape and type."
                )


def _rows(tensor: Tensor) -> str:
    return f"{tensor.dtype} rows of shape {list(tensor.shape[1:])}"
