"""The test examples whose true class a network finds least probable."""

from __future__ import annotations

import torch
from torch import Tensor


class WorstExamples:
    """The probability of the true class of each tested example, collected from the scores of the test."""

    def __init__(self) -> None:
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._collected: tuple[Tensor, Tensor, Tensor] | None = None

    def __len__(self) -> int:
        """The number of tested examples."""
        return 0 if self._collected is None else len(self._collected[0])

    def take(self, scores: Tensor, targets: Tensor) -> None:
        """Add scores `[N, C]` and labels `[N]` of the next examples; none counts that is not a class."""
        probabilities = scores.softmax(1)
        labels = targets.clamp(0, scores.shape[1] - 1)
        of_true = probabilities.gather(1, labels[:, None])[:, 0].masked_fill(labels != targets, 1.0)
        confidences, predictions = probabilities.max(1)
        self._held.append((of_true, predictions, confidences))

    def close(self) -> None:
        """End the collection; the next `take` begins another."""
        if self._held:
            of_true, predictions, confidences = (torch.cat(part) for part in zip(*self._held, strict=True))
            self._collected = (of_true, predictions, confidences)
        self._held = []

    def rows(self, count: int) -> tuple[Tensor, list[float], list[int], list[float]]:
        """The `count` examples whose true class is least probable.

        Returns:
            Their indices, that probability, the predictions and the probabilities of the predictions.
        """
        assert self._collected is not None, "nothing was tested"
        of_true, predictions, confidences = self._collected
        rows = of_true.argsort(stable=True)[:count]
        return (
            rows,
            of_true[rows].tolist(),
            predictions[rows].tolist(),
            confidences[rows].tolist(),
        )
