"""Loss and metrics of one stage in every lane, collected without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from abreast.losses import Loss
from abreast.metrics.stage import ROWS_HELD, StageMetrics


class StackMetrics:
    """What `abreast.metrics.stage.StageMetrics` measures, for K lanes at once and to the same bits.

    Loss and accuracy of classes are counted here: K torchmetrics objects would take longer than the training
    of small networks. Everything else is left to the lanes' own `meters`.
    """

    def __init__(self, losses: Sequence[Loss], meters: Sequence[StageMetrics]) -> None:
        self.losses = losses
        self.meters = meters
        self.counts = {metric.name for metric in meters[0].measured} == {"loss", "accuracy"}
        self._ignored = [loss.ignore_index if loss.ignores else None for loss in losses]
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._rows = 0
        self._sums: list[Tensor] = []  # [K]: losses by weight, weights, hits, rows that count

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
        targets = torch.cat([each[2] for each in held], 1)
        found = torch.cat([each[1] for each in held], 1).float().argmax(2) == targets
        kept = self._kept(targets)
        sums = [
            (losses * weights).sum(1),
            weights.sum(1),
            (found if kept is None else found & kept).sum(1),
            targets.new_full(targets.shape[:1], targets.shape[1]) if kept is None else kept.sum(1),
        ]
        self._sums = [old + new for old, new in zip(self._sums, sums, strict=True)] if self._sums else sums

    def _kept(self, targets: Tensor) -> Tensor | None:
        """Which rows count, `[K, B]`; None for all."""
        ignored = [loss.ignore_index for loss in self.losses]
        if not any(loss.ignores for loss in self.losses):
            return None
        none = torch.tensor([each is None for each in ignored], device=targets.device)
        values = torch.tensor([-1 if each is None else each for each in ignored], device=targets.device)
        return (targets != values[:, None]) | none[:, None]

    def _weights(self, targets: Sequence[Tensor]) -> Tensor:
        """What each mini-batch counts for: float32 `[K, S]`."""
        rows = torch.tensor([float(batch.shape[1]) for batch in targets], device=targets[0].device)
        weights = rows.repeat(len(self.losses), 1)
        counted: dict[int, Tensor] = {}
        for k, loss in enumerate(self.losses):
            ignored = self._ignored[k]
            if loss.ignore_index is not None and getattr(loss.criterion, "weight", None) is not None:
                weights[k] = torch.stack([torch.as_tensor(loss.weight(batch[k])) for batch in targets])
            elif ignored is not None:
                if ignored not in counted:
                    counts = [(batch != ignored).sum(1, dtype=torch.float32) for batch in targets]
                    counted[ignored] = torch.stack(counts, 1)
                weights[k] = counted[ignored][k]
        return weights

    def state(self, lane: int) -> dict[str, Any]:
        """What has been taken for a lane since the last `compute`, as its plain run would."""
        meter, loss = self.meters[lane], self.losses[lane]
        state = meter.state()
        state["held"] = [
            [losses[lane].clone(), loss.weight(targets[lane]), scores[lane].clone(), targets[lane].clone()]
            for losses, scores, targets in self._held
        ]
        if self._sums:
            above, below, hits, counted = (each[lane].clone() for each in self._sums)
            missed = counted - hits
            rest = len(meter.classes) * counted - hits - 2 * missed
            own = {
                "losses": {"sum_value": above},
                "weights": {"sum_value": below},
                "accuracy": {"tp": hits, "fp": missed, "fn": missed.clone(), "tn": rest},
            }
            state["metrics"] = {name: {"updates": 1, "state": values} for name, values in own.items()}
        return state

    def load_states(self, states: Sequence[dict[str, Any]]) -> None:
        """Go on from what `state` gave for each lane."""
        for held in zip(*(state["held"] for state in states), strict=True):
            losses, _, scores, targets = zip(*held, strict=True)
            self._held.append((torch.stack(losses), torch.stack(scores), torch.stack(targets)))
            self._rows += len(targets[0])
        for meter, state in zip(self.meters, states, strict=True):
            meter.load_state({"held": [], "metrics": {} if self.counts else state["metrics"]})
        metrics = [state["metrics"] for state in states]
        if self.counts and metrics[0]["losses"]["updates"]:
            sums = [
                (
                    each["losses"]["state"]["sum_value"],
                    each["weights"]["state"]["sum_value"],
                    each["accuracy"]["state"]["tp"],
                    each["accuracy"]["state"]["tp"] + each["accuracy"]["state"]["fn"],
                )
                for each in metrics
            ]
            self._sums = [torch.stack(each) for each in zip(*sums, strict=True)]

    def compute(self) -> list[dict[str, Tensor]]:
        """Each lane's values by name; then begins anew."""
        self._fold()
        if not self.counts:
            return [meter.compute() for meter in self.meters]
        above, below, hits, counted = (each.float() for each in self._sums)
        self._sums = []
        shares = torch.where(counted == 0, 0.0, hits / torch.where(counted == 0, 1.0, counted))
        each = zip((above / below).unbind(), shares.unbind(), strict=True)
        return [{"loss": loss, "accuracy": share} for loss, share in each]
