"""What only a test measures of classes, for K lanes at once: calibration, confusion and each example."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abreast.metrics.stage import ECE_BINS, MOST_CONFUSED, StageMetrics
from abreast.metrics.worst_examples import of_true_class


class TestedClasses:
    """Measures what `abreast.metrics.stage.StageMetrics` measures in a test, bitwise identical.

    For labels none of which is ignored; loss and accuracy are measured elsewhere.

    Args:
        stage_metrics: The test's metrics of each lane, which are given the outcomes of the examples.
    """

    def __init__(self, stage_metrics: Sequence[StageMetrics]) -> None:
        self.stage_metrics = stage_metrics
        self._confusion: Tensor | None = None  # [K, C, C]
        self._held: list[tuple[Tensor, Tensor]] = []  # [K, N] each: confidences, whether they are right

    def take(self, scores: Tensor, targets: Tensor, hits: Tensor) -> None:
        """Add examples.

        Args:
            scores: Raw scores, float32 `[K, N, C]`.
            targets: Labels `[K, N]`.
            hits: Whether the highest score is that of the label, bool `[K, N]`.
        """
        classes = scores.shape[2]
        probabilities = scores.softmax(2)
        confidences, predictions = probabilities.max(2)
        # torchmetrics takes what is not within [0, 1] by a rounding error for scores.
        is_within = ((probabilities >= 0) & (probabilities <= 1)).flatten(1).all(1)
        binned = [confidences, predictions]
        if not is_within.all():
            again = probabilities.softmax(2).max(2)
            binned = [torch.where(is_within[:, None], *pair) for pair in zip(binned, again, strict=True)]
        self._held.append((binned[0], (binned[1] == targets).float()))
        if classes <= MOST_CONFUSED:
            self._count(targets, scores.argmax(2), classes)
        of_true = of_true_class(probabilities, targets)
        counted = torch.ones_like(hits)
        for k, metrics in enumerate(self.stage_metrics):
            assert metrics.worst_examples is not None
            assert metrics.outcomes is not None
            metrics.worst_examples.add(of_true[k], predictions[k], confidences[k])
            metrics.outcomes.add(hits[k], counted[k])

    def _count(self, targets: Tensor, predictions: Tensor, classes: int) -> None:
        lanes = len(targets)
        offsets = torch.arange(lanes, device=targets.device)[:, None] * classes**2
        cells = (offsets + targets * classes + predictions).flatten()
        confusion = cells.bincount(minlength=lanes * classes**2).view(lanes, classes, classes)
        self._confusion = confusion if self._confusion is None else self._confusion + confusion

    def compute(self) -> list[dict[str, Tensor]]:
        """Each lane's expected calibration error and, of few classes, confusion matrix `[C, C]`; resets."""
        for metrics in self.stage_metrics:
            assert metrics.worst_examples is not None
            assert metrics.outcomes is not None
            metrics.worst_examples.close()
            metrics.outcomes.close()
        confidences, right = (torch.cat(parts, 1) for parts in zip(*self._held, strict=True))
        lanes = [{"ece": error} for error in _calibration_errors(confidences, right)]
        if self._confusion is not None:
            for lane, confusion in zip(lanes, self._confusion.unbind(), strict=True):
                lane["confusion"] = confusion
        self._confusion, self._held = None, []
        return lanes


def _calibration_errors(confidences: Tensor, right: Tensor) -> list[Tensor]:
    """The operations of torchmetrics' `_ce_compute`, on `[K, N]`.

    Naeini, Cooper & Hauskrecht 2015, AAAI 29: the mean over bins of how far confidence is from accuracy.
    """
    bounds = torch.linspace(0, 1, ECE_BINS + 1, dtype=confidences.dtype, device=confidences.device)
    bins = torch.bucketize(confidences, bounds, right=True) - 1

    def added_up(values: Tensor) -> Tensor:
        return values.new_zeros(len(values), len(bounds)).scatter_add_(1, bins, values)

    counts = added_up(torch.ones_like(confidences))
    accuracy = torch.nan_to_num(added_up(right) / counts)
    confidence = torch.nan_to_num(added_up(confidences) / counts)
    shares = counts / counts.sum(1, keepdim=True)
    # Sums of rows one by one: those of a matrix may be added up in another order.
    return [row.sum() for row in (torch.abs(accuracy - confidence) * shares).unbind()]
