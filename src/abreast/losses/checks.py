"""Checks of the tensors that reach a loss, before anything can broadcast.

All but ``any_ignored`` and ``label_problem`` look at shapes and dtypes only: they never wait for a device.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LossInputError(ValueError):
    """Tensors that a loss is not defined for. One line: what was passed, what is expected, the fix."""


def _show(tensor: Tensor) -> str:
    """A tensor's dtype and shape, as in ``float32 [8, 10]``."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def check_logits(logits: Tensor, outputs: int | None) -> None:
    """Raise LossInputError unless logits are floating ``[B, outputs]`` with B >= 1."""
    if logits.dim() != 2:
        fix = "logits.flatten(1), or logits.unsqueeze(1) for one output"
        raise LossInputError(f"logits are {_show(logits)}: expected [batch, outputs]. Pass {fix}")
    if not logits.dtype.is_floating_point:
        raise LossInputError(
            f"logits are {_show(logits)}: expected a floating dtype. Pass the model's raw scores, not classes"
        )
    if logits.shape[0] == 0:
        raise LossInputError(
            f"the batch is empty (logits {_show(logits)}): expected at least one row. "
            "Drop empty batches; the mean over no rows is nan"
        )
    if outputs is not None and logits.shape[1] != outputs:
        raise LossInputError(
            f"logits are {_show(logits)}: expected {outputs} scores a row. "
            f"Give the model's last layer {outputs} outputs"
        )


def check_classes(logits: Tensor, targets: Tensor) -> None:
    """Raise LossInputError unless targets are int64 ``[B]`` beside logits ``[B, C]``, C >= 2."""
    rows, classes = logits.shape
    if targets.dim() != 1:
        fix = "targets as class indices, one a row"
        if targets.dim() == 2 and targets.shape[1] == 1:
            fix = "targets.squeeze(1)"
        elif targets.dim() == 2 and targets.shape[1] == classes:
            fix = "targets.argmax(1) if these are one-hot: the loss makes the form its criterion takes"
        raise LossInputError(
            f"targets are {_show(targets)}: expected class indices, int64 [{rows}]. Pass {fix}"
        )
    if targets.dtype != torch.int64:
        values = ", or use a loss for regression if these are quantities"
        raise LossInputError(
            f"targets are {_show(targets)}: class indices are int64. "
            f"Pass targets.long(){values if targets.dtype.is_floating_point else ''}"
        )
    if targets.shape[0] != rows:
        raise LossInputError(
            f"targets are {_show(targets)} beside logits {_show(logits)}: expected one target a row. "
            "Take both from the same batch"
        )
    if classes < 2:
        raise LossInputError(
            f"logits are {_show(logits)}: one score a row tells no classes apart. "
            "Give the model's last layer one output for each class, two for a yes-or-no question"
        )


def check_values(logits: Tensor, targets: Tensor) -> None:
    """Raise LossInputError unless regression targets are floating and of the logits' shape."""
    if targets.shape != logits.shape:
        fix = "one target value for each output"
        if targets.dim() == 1 and logits.shape == (targets.shape[0], 1):
            fix = f"targets.unsqueeze(1): these would broadcast to {[len(targets)] * 2}"
        raise LossInputError(
            f"targets are {_show(targets)} beside logits {_show(logits)}: "
            f"regression expects equal shapes. Pass {fix}"
        )
    if not targets.dtype.is_floating_point:
        raise LossInputError(
            f"targets are {_show(targets)}: regression expects a floating dtype. Pass targets.float()"
        )


def any_ignored(targets: Tensor, classes: int, ignored: int | None) -> bool:
    """Whether any label is the ignored one; LossInputError for one that is not a class either.

    Reads the values: on anything but the CPU it waits for the device.
    """
    low, high = (int(end) for end in torch.aminmax(targets))
    if low >= 0 and high < classes and (ignored is None or not low <= ignored <= high):
        return False
    problem = label_problem(targets, classes, ignored)
    if problem:
        raise LossInputError(f"targets: {problem}")
    return ignored is not None and bool((targets == ignored).any())


def label_problem(targets: Tensor, classes: int, ignored: int | None = None) -> str | None:
    """What is wrong with class indices `[N]`, and the fix; None if all are classes or the ignored label."""
    outside = (targets < 0) | (targets >= classes)
    if ignored is not None:
        outside &= targets != ignored
    count = int(outside.sum())
    if not count:
        return None
    bad = targets[outside]
    row = int(outside.nonzero()[0])
    allowed = f"0..{classes - 1}" + ("" if ignored is None else f" or ignore_index={ignored}")
    return (
        f"{count} of {len(targets)} labels are not in {allowed} (row {row} holds {int(targets[row])}; "
        f"lowest {int(bad.min())}, highest {int(bad.max())}). "
        "Correct the labels, number the classes from 0, or set the number of classes or ignore_index."
    )
