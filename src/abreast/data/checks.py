"""Inputs and targets of a data set, checked once on the host: a device would name nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abreast.data.columns import Column
from abreast.errors import DataError
from abreast.losses.checks import label_problem


def check_labels(targets: Tensor, num_classes: int, split: str, ignore_index: int | None = None) -> None:
    """Check that class indices are int64 `[N]` in 0..num_classes-1, or equal to `ignore_index`.

    On a GPU an index outside the classes is an asynchronous assert that names nothing, so it is looked
    for here, on the host.

    Args:
        targets: The labels.
        num_classes: The number of classes.
        split: What the labels are called in messages: `train`, `val` or `test`.
        ignore_index: A label that marks examples without one.

    Raises:
        DataError: A label is something else.
    """
    if targets.dtype != torch.int64 or targets.ndim != 1:
        raise DataError(
            f"{split} targets are {targets.dtype} of shape {list(targets.shape)}: "
            "class indices must be int64 of shape [N] (targets.long().flatten())."
        )
    problem = label_problem(targets, num_classes, ignore_index)
    if problem:
        raise DataError(f"{split} targets: {problem}")


def check_inputs(inputs: Tensor, targets: Tensor, name: str, columns: Sequence[Column] = ()) -> None:
    """Check that inputs are finite uint8 or float32 `[N, ...]`, one for each target; of columns `[N, F]`.

    Args:
        inputs: The inputs.
        targets: Their targets, of any kind.
        name: What the split is called in messages.
        columns: What the inputs of a table are; of numbers NaN stands for a missing value.

    Raises:
        DataError: They are something else.
    """
    if inputs.dtype not in (torch.uint8, torch.float32) or inputs.ndim < 2:
        raise DataError(
            f"{name} inputs are {inputs.dtype} of shape {list(inputs.shape)}: they must be uint8 or float32, "
            "one row or image per sample ([N, F] or [N, C, H, W])."
        )
    if targets.ndim == 0 or len(inputs) != len(targets):
        raise DataError(
            f"{name} has {len(inputs)} inputs but targets of shape {list(targets.shape)}: every input needs "
            "one target. Are both of the same split?"
        )
    if not inputs.numel():
        raise DataError(
            f"{name} inputs are empty, shape {list(inputs.shape)}: at least one row and value is needed."
        )
    width = sum(column.width for column in columns)
    if columns and (inputs.dtype != torch.float32 or inputs.shape[1:] != (width,)):
        raise DataError(
            f"{name} inputs are {inputs.dtype} of shape {list(inputs.shape)}: these columns are float32 of "
            f"shape [N, {width}]."
        )
    if inputs.is_floating_point():
        _check_finite(torch.where(inputs.isnan(), 0.0, inputs) if columns else inputs, f"{name} inputs")


def check_values(targets: Tensor, name: str) -> None:
    """Check that the targets of a regression are finite float32 `[N, D]`; raises DataError."""
    if targets.dtype != torch.float32 or targets.ndim != 2 or not targets.numel():
        raise DataError(
            f"{name} targets are {targets.dtype} of shape {list(targets.shape)}: without class names this is "
            "regression, whose targets must be float32 of shape [N, D]."
        )
    _check_finite(targets, f"{name} targets")


def _check_finite(values: Tensor, what: str) -> None:
    bad = ~values.isfinite()
    count = int(bad.sum())
    if count:
        rows = bad.flatten(1).any(1).nonzero().flatten()
        row = int(rows[0])
        raise DataError(
            f"{what}: {count} values in {len(rows)} of {len(values)} rows are not finite (row {row} holds "
            f"{float(values[row][bad[row]][0])}). Drop these rows or fill the values in."
        )
