"""Loss and metrics of one stage in every lane, collected without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abreast.losses import Loss
from abreast.metrics import ROWS_HELD, Meter


class StackMeter:
    """What `abreast.metrics.Meter` measures, for K lanes at once and to the same bits.

    Loss and accuracy of classes are counted here: K torchmetrics objects would take longer than the training
    of small networks. Everything else is left to the lanes' own `meters`.
    """

    def __init__(self, losses: Sequence[Loss], meters: Sequence[Meter]) -> None:
        self.losses = losses
        self.meters = meters
        self.counts = bool(meters[0].classes) and set(meters[0].scores) == {"accuracy"}
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._rows = 0
        self._sums: list[tuple[Tensor, Tensor]] = []
        self._hits: Tensor | int = 0
        self._counted: Tensor | int = 0

    def update(self, losses: Tensor, scores: Tensor, targets: Tensor) -> None:
        """Take a mini-batch: mean losses `[K]`, scores `[K, B, C]`, targets `[K, B]`."""
        self._held.append((losses, scores, targets))
        self._rows += targets.shape[1]
        if self._rows >= ROWS_HELD:
            self._fold()

    def _fold(self) -> None:
        if not self._held:
            return
        held, self._held, self._rows = self._held, [], 0
        if not self.counts:
            for losses, scores, targets in held:
                for k, meter in enumerate(self.meters):
                    meter.update(losses[k], self.losses[k].weight(targets[k]), scores[k], targets[k])
            return
        losses = torch.stack([each[0] for each in held], 1).float()  # [K, S]
        weights = self._weights([each[2] for each in held])
        sums = self._sums or [(losses.new_zeros(()), losses.new_zeros(())) for _ in self.losses]
        self._sums = [
            (above + (loss * weight).sum(), below + weight.sum())
            for (above, below), loss, weight in zip(sums, losses, weights, strict=True)
        ]
        targets = torch.cat([each[2] for each in held], 1)
        found = torch.cat([each[1] for each in held], 1).float().argmax(2) == targets
        ignored = [-1 if loss.ignore_index is None else loss.ignore_index for loss in self.losses]
        none = torch.tensor([loss.ignore_index is None for loss in self.losses], device=targets.device)
        kept = (targets != torch.tensor(ignored, device=targets.device)[:, None]) | none[:, None]
        self._hits = self._hits + (found & kept).sum(1)
        self._counted = self._counted + kept.sum(1)

    def _weights(self, targets: Sequence[Tensor]) -> Tensor:
        """What each mini-batch counts for: float32 `[K, S]`."""
        weights = torch.empty(len(self.losses), len(targets), device=targets[0].device)
        counted: dict[int | None, Tensor] = {}
        for k, loss in enumerate(self.losses):
            ignored = loss.ignore_index if loss.ignores else None
            if loss.ignore_index is not None and getattr(loss.criterion, "weight", None) is not None:
                weights[k] = torch.stack([torch.as_tensor(loss.weight(batch[k])) for batch in targets])
                continue
            if ignored not in counted:
                counted[ignored] = torch.stack(
                    [
                        torch.full((len(self.losses),), float(batch.shape[1]), device=batch.device)
                        if ignored is None
                        else (batch != ignored).sum(1, dtype=torch.float32)
                        for batch in targets
                    ],
                    1,
                )
            weights[k] = counted[ignored][k]
        return weights

    def compute(self) -> list[dict[str, Tensor]]:
        """Each lane's values by name; then begins anew."""
        self._fold()
        if not self.counts:
            return [meter.compute() for meter in self.meters]
        hits, counted = torch.as_tensor(self._hits).float(), torch.as_tensor(self._counted).float()
        shares = torch.where(counted == 0, 0.0, hits / torch.where(counted == 0, 1.0, counted))
        values = [
            {"loss": above / below, "accuracy": share}
            for (above, below), share in zip(self._sums, shares, strict=True)
        ]
        self._sums, self._hits, self._counted = [], 0, 0
        return values
