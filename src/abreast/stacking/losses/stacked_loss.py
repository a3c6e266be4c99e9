"""The lanes' losses of a mini-batch: batched where lanes share a common loss, else lane by lane.

On the CPU the batched forms are bitwise equal to each lane's loss, in value and gradient; on other devices
within rounding.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn

from abreast.losses import Loss
from abreast.stacking.grouping import equal_neighbours
from abreast.stacking.losses.batched import DeviceLosses, structure
from abreast.stacking.losses.criterion import StackedCriterion
from abreast.stacking.losses.cross_entropy import StackedCrossEntropy
from abreast.stacking.losses.lane_by_lane import CustomLosses, LaneByLane
from abreast.stacking.losses.mse import StackedMSE
from abreast.stacking.random_numbers import LaneRandom, is_custom_module


class StackedLoss:
    """The losses of K lanes, on scores `[K, B, C]`.

    Args:
        losses: The lanes' losses.
        randoms: The lanes' random numbers, which custom losses draw from.
        on_device: Whether another device than the CPU computes them.

    Attributes:
        errors: What the losses of lanes have raised, by lane.
        parts: The lanes that are computed together, and what computes them.
    """

    def __init__(
        self, losses: Sequence[Loss], randoms: Sequence[LaneRandom], *, on_device: bool = False
    ) -> None:
        self.errors: dict[int, Exception] = {}
        kinds = [_kind(loss, on_device) for loss in losses]
        self.parts = [
            (lanes, self._criterion(kinds[lanes.start][0], losses[lanes], randoms[lanes], lanes.start))
            for lanes in equal_neighbours(kinds)
        ]

    def _criterion(
        self, kind: type[StackedCriterion], losses: Sequence[Loss], randoms: Sequence[LaneRandom], first: int
    ) -> StackedCriterion:
        def individually(lanes: slice) -> LaneByLane:
            return LaneByLane(losses[lanes], first + lanes.start, self.errors)

        if kind is StackedCrossEntropy:
            return StackedCrossEntropy()
        if kind is StackedMSE:
            return StackedMSE(losses[0])
        if kind is CustomLosses:
            return CustomLosses(losses, randoms, first, self.errors)
        if kind is DeviceLosses and len(losses) > 1:
            return DeviceLosses(losses, individually)
        return individually(slice(0, len(losses)))

    def gradient(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The gradient of the scores, and what `values` needs of the step.

        Args:
            scores: `[K, B, C]`.
            targets: Labels `[K, B]`, in regression `[K, B, D]`.
        """
        results = [part.gradient(scores[lanes], targets[lanes]) for lanes, part in self.parts]
        gradients = [gradient for gradient, _ in results]
        return gradients[0] if len(results) == 1 else torch.cat(gradients), [saved for _, saved in results]

    def values(self, saved: Sequence[list[Tensor]]) -> Tensor:
        """The losses `[S, K]` of S steps, from what `gradient` returned for each."""
        columns = []
        for number, (_, part) in enumerate(self.parts):
            by_batch_size: list[list[Tensor]] = []
            for step in saved:
                if not by_batch_size or by_batch_size[-1][0].shape != step[number].shape:
                    by_batch_size.append([])
                by_batch_size[-1].append(step[number])
            columns.append(torch.cat([part.values(steps) for steps in by_batch_size]))
        return torch.cat(columns, 1)


def _kind(loss: Loss, on_device: bool) -> tuple[type[StackedCriterion], Hashable]:
    """What computes the loss, and what else is equal for the losses that are computed together."""
    criterion = loss.criterion
    if not loss.mixed and loss.scores == "logits":
        if type(criterion) is nn.CrossEntropyLoss:
            is_simple = criterion.weight is None and criterion.label_smoothing == 0 and not loss.ignores
            if is_simple and loss.targets == "index":
                return StackedCrossEntropy, None
        if type(criterion) is nn.MSELoss and criterion.reduction == "mean":
            return StackedMSE, loss.targets
    if is_custom_module(loss):
        return CustomLosses, None
    return (DeviceLosses, structure(loss)) if on_device else (LaneByLane, None)
