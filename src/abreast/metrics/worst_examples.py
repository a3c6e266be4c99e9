"""The test examples whose true class a network finds least probable."""

from __future__ import annotations

import torch
from torch import Tensor

PASSED_OVER = 2.0  # in place of a probability


def of_true_class(probabilities: Tensor, targets: Tensor, ignore_index: int | None = None) -> Tensor:
    """The probabilities of the true classes `[..., N]`; `PASSED_OVER` for what is no label, or ignored.

    Args:
        probabilities: `[..., N, C]`.
        targets: Labels `[..., N]`.
        ignore_index: A label whose examples do not count.
    """
    labels = targets.clamp(0, probabilities.shape[-1] - 1)
    passed_over = labels != targets
    if ignore_index is not None:
        passed_over |= targets == ignore_index
    return probabilities.gather(-1, labels[..., None])[..., 0].masked_fill(passed_over, PASSED_OVER)


class WorstExamples:
    """The probability of the true class of each tested example, collected from the scores of the test.

    Args:
        ignore_index: A label whose examples do not count.
    """

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = ignore_index
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._collected: tuple[Tensor, Tensor, Tensor] | None = None

    def __len__(self) -> int:
        """The number of tested examples."""
        return 0 if self._collected is None else len(self._collected[0])

    def take(self, scores: Tensor, targets: Tensor) -> None:
        """Add scores `[N, C]` and labels `[N]` of the next examples; only labels of classes count."""
        probabilities = scores.softmax(1)
        confidences, predictions = probabilities.max(1)
        self.add(of_true_class(probabilities, targets, self.ignore_index), predictions, confidences)

    def add(self, of_true: Tensor, predictions: Tensor, confidences: Tensor) -> None:
        """Add the next examples, `[N]` each: as `of_true_class`, predictions, their probabilities."""
        self._held.append((of_true, predictions, confidences))

    def close(self) -> None:
        """End the collection; the next `take` begins another."""
        if self._held:
            of_true, predictions, confidences = (torch.cat(part) for part in zip(*self._held, strict=True))
            self._collected = (of_true, predictions, confidences)
        self._held = []

    def rows(self, count: int) -> tuple[Tensor, list[float], list[int], list[float]]:
        """The `count` examples whose true class is least probable, or all that count.

        Returns:
            Their indices, that probability, the predictions and the probabilities of the predictions.
        """
        assert self._collected is not None, "nothing was tested"
        of_true, predictions, confidences = self._collected
        rows = of_true.argsort(stable=True)[:count]
        rows = rows[of_true[rows] < PASSED_OVER]
        return (
            rows,
            of_true[rows].tolist(),
            predictions[rows].tolist(),
            confidences[rows].tolist(),
        )
