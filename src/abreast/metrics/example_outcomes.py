"""What the test found for each of its examples, collected from the scores of the test."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors


class OutcomeCollector:
    """Whether each test example was classified correctly, or its squared error, in the order of the test set.

    Correct means what accuracy counts: the highest score is that of the label.

    Args:
        is_classification: Whether targets are labels.
        ignore_index: A label whose examples do not count.

    Attributes:
        outcomes: The last test's values, bool or float32 `[N]`, and which count, bool `[N]`; or None.
    """

    def __init__(self, is_classification: bool, ignore_index: int | None = None) -> None:
        self.is_classification = is_classification
        self.ignore_index = ignore_index
        self._held: list[tuple[Tensor, Tensor]] = []
        self.outcomes: tuple[Tensor, Tensor] | None = None

    def take(self, scores: Tensor, targets: Tensor) -> None:
        """Add the next examples: scores `[N, C]` and labels `[N]`, or for regression `[N, D]` twice.

        The squared error of an example is the mean over its D targets.
        """
        if self.is_classification:
            counted = torch.ones_like(targets, dtype=torch.bool)
            if self.ignore_index is not None:
                counted = targets != self.ignore_index
            values = (scores.argmax(1) == targets) & counted
        else:
            values = (scores - targets).square().flatten(1).mean(1).float()
            counted = torch.ones_like(values, dtype=torch.bool)
        self.add(values, counted)

    def add(self, values: Tensor, counted: Tensor) -> None:
        """Add the values of the next examples `[N]`, and which of them count, bool `[N]`."""
        self._held.append((values, counted))

    def close(self) -> None:
        """End the collection, on all ranks at once; the next `take` begins another."""
        if self._held:
            values, counted = (torch.cat(part) for part in zip(*self._held, strict=True))
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                # Each rank tests one contiguous range of the examples.
                values = torch.cat(gather_all_tensors(values))
                counted = torch.cat(gather_all_tensors(counted))
            self.outcomes = (values, counted)
        self._held = []
