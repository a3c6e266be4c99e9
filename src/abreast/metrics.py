"""What is measured in a stage, collected without waiting for the device."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, Metric, R2Score, SumMetric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
)

ROWS_HELD = 1 << 16  # rows of scores kept before they are folded into the metrics


class Meter(nn.Module):
    """Loss and metrics of one stage, as means over its rows.

    `update` only appends tensors, so that a step pays next to nothing; the metrics see the rows of many
    mini-batches at once. For classes: accuracy, and with `full` also the expected calibration error
    (15 bins, Guo et al. 2017, arXiv 1706.04599) and the confusion matrix.
    For regression: mean absolute error and R².
    """

    def __init__(
        self, classes: tuple[str, ...], *, ignore_index: int | None = None, full: bool = False
    ) -> None:
        super().__init__()
        self.classes = classes
        # Not torchmetrics' MeanMetric: with the check for nan off, which waits for the device, 1.9.0 drops
        # the weights.
        self.losses = SumMetric(nan_strategy="disable")
        self.weights = SumMetric(nan_strategy="disable")
        self.scores = nn.ModuleDict()
        if classes:
            options: dict[str, Any] = {
                "num_classes": len(classes),
                "ignore_index": ignore_index,
                "validate_args": False,
            }
            self.scores["accuracy"] = MulticlassAccuracy(average="micro", **options)
            if full:
                self.scores["ece"] = MulticlassCalibrationError(n_bins=15, **options)
                self.scores["confusion"] = MulticlassConfusionMatrix(**options)
        else:
            self.scores["mae"] = MeanAbsoluteError()
            self.scores["r2"] = R2Score()
        self._held: list[tuple[Tensor, Tensor | int, Tensor, Tensor]] = []
        self._rows = 0

    def update(self, loss: Tensor, weight: Tensor | int, scores: Tensor, targets: Tensor) -> None:
        """Take a mini-batch: its mean loss, what that counts for, its raw scores and its targets."""
        self._held.append((loss.detach(), weight, scores.detach(), targets))
        self._rows += len(targets)
        if self._rows >= ROWS_HELD:
            self._fold()

    def _fold(self) -> None:
        if not self._held:
            return
        losses, weights, scores, targets = zip(*self._held, strict=True)
        self._held, self._rows = [], 0
        loss = torch.stack(losses).float()
        if isinstance(weights[0], int):
            weight = torch.tensor(weights, dtype=loss.dtype, device=loss.device)
        else:
            weight = torch.stack(cast("tuple[Tensor, ...]", weights))
        self.losses.update((loss * weight).sum())
        self.weights.update(weight.sum())
        rows, labels = torch.cat(scores).float(), torch.cat(targets)
        for name, metric in self.scores.items():
            # torchmetrics takes scores that all lie in [0, 1] for probabilities.
            cast(Metric, metric).update(rows.softmax(1) if name == "ece" else rows, labels)

    def compute(self) -> dict[str, Tensor]:
        """The stage's values by name, over all ranks; then begins anew. The confusion matrix is `[C, C]`."""
        self._fold()
        values = {"loss": self.losses.compute() / self.weights.compute()}
        for name, metric in self.scores.items():
            if name == "r2" and cast(R2Score, metric).total < 2:
                continue  # a single row has no variance to explain
            values[name] = cast(Metric, metric).compute()
        for metric in (self.losses, self.weights, *self.scores.values()):
            cast(Metric, metric).reset()
        return values
