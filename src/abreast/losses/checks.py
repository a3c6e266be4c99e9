"""Checks of the tensors that reach a loss, before anything can broadcast.

All but ``check_labels`` look at shapes and dtypes only: they never wait for a device.
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
            fix = "targets.argmax(1) if these are one-hot: the loss makes the form its criterion wants"
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


def check_labels(targets: Tensor, classes: int, ignored: int | None) -> bool:
    """Whether any row is ignored; LossInputError for a class outside ``range(classes)``.

    Reads the values: on anything but the CPU it waits for the device.
    """
    low, high = (int(end) for end in torch.aminmax(targets))
    if low >= 0 and high < classes and (ignored is None or not low <= ignored <= high):
        return False
    kept = targets if ignored is None else targets[targets != ignored]
    if len(kept):
        low, high = int(kept.min()), int(kept.max())
        if low < 0 or high >= classes:
            known = "" if ignored is None else f" (or {ignored}, which is ignored)"
            raise LossInputError(
                f"targets hold class {low if low < 0 else high} beside {classes} scores a row: "
                f"expected 0 to {classes - 1}{known}. Renumber the labels, or give the model more outputs"
            )
    return len(kept) < len(targets)
