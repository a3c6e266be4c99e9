"""The test examples whose true class a network finds least probable."""

from __future__ import annotations

import torch
from torch import Tensor


class WorstExamples:
    """How probable each tested row's true class was, collected from the test's own scores."""

    def __init__(self) -> None:
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._found: tuple[Tensor, Tensor, Tensor] | None = None

    def __len__(self) -> int:
        """Rows that were tested."""
        return 0 if self._found is None else len(self._found[0])

    def take(self, scores: Tensor, targets: Tensor) -> None:
        """Take scores `[N, C]` and labels `[N]` of the next rows; those that are no class are passed over."""
        probabilities = scores.softmax(1)
        labels = targets.clamp(0, scores.shape[1] - 1)
        chances = probabilities.gather(1, labels[:, None])[:, 0].masked_fill(labels != targets, 1.0)
        confidences, guesses = probabilities.max(1)
        self._held.append((chances, guesses, confidences))

    def close(self) -> None:
        """All rows are taken; the next one begins anew."""
        if self._held:
            chances, guesses, confidences = (torch.cat(part) for part in zip(*self._held, strict=True))
            self._found = (chances, guesses, confidences)
        self._held = []

    def rows(self, count: int) -> tuple[Tensor, list[float], list[int], list[float]]:
        """The rows whose true class is least probable: indices, that chance, guesses, the guesses' chance."""
        assert self._found is not None, "nothing was tested"
        chances, guesses, confidences = self._found
        rows = chances.argsort(stable=True)[:count]
        return rows, chances[rows].tolist(), guesses[rows].tolist(), confidences[rows].tolist()
