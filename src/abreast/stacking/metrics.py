"""Loss and metrics of one stage in every lane, collected without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from abreast.config.types import State
from abreast.losses import Loss
from abreast.metrics.batched import BatchedMetric
from abreast.metrics.request import SCORES
from abreast.metrics.stage import ROWS_HELD, StageMetrics
from abreast.stacking.tested_classes import TestedClasses

COUNTED = {"loss", "accuracy"}  # what is counted for all lanes at once
TESTED = {*COUNTED, "ece"}  # and in a test
_Batch: TypeAlias = tuple[Tensor, Tensor, Tensor]  # losses [K], scores [K, B, C], targets [K, B]


class StackMetrics:
    """Measures what `abreast.metrics.stage.StageMetrics` measures, for K lanes at once, bitwise identical.

    Loss, accuracy and every `BatchedMetric` that was asked for are measured here: K torchmetrics objects take
    longer than the training of small networks. All else is measured by the lanes' `stage_metrics`.

    Args:
        losses: Each lane's loss.
        stage_metrics: Each lane's metrics of the stage.
        mixed: Whether the targets were mixed, so that a batch weighs as much as it has examples.
    """

    def __init__(
        self, losses: Sequence[Loss], stage_metrics: Sequence[StageMetrics], *, mixed: bool = False
    ) -> None:
        self.losses = losses
        self.mixed = mixed
        self.stage_metrics = stage_metrics
        first = stage_metrics[0]
        usual = {metric.name for metric in first.measured} - first.requested.keys()
        self._ignored = [loss.ignore_index if loss.ignores else None for loss in losses]
        self._tested: TestedClasses | None = None
        if first.full and usual == TESTED and not mixed and self._ignored == [None] * len(losses):
            self._tested = TestedClasses(stage_metrics)
        self.counts_here = self._tested is not None or (not first.full and usual == COUNTED)
        prototypes = {name: request.prototype for name, request in first.requested.items()}
        self._batched = {name: m for name, m in prototypes.items() if isinstance(m, BatchedMetric)}
        self._by_lane = [name for name in prototypes if name not in self._batched]
        self._states: dict[str, dict[str, Tensor]] = {}  # of `_batched`: [K, ...] each
        self._held: list[_Batch] = []
        self._examples = 0
        self._sums: list[Tensor] = []  # [K] each: weighted losses, weights, hits, examples that count

    def update(self, losses: Tensor, scores: Tensor, targets: Tensor) -> None:
        """Add a mini-batch: mean losses `[K]`, scores `[K, B, C]`, targets `[K, B]`."""
        self._held.append((losses, scores, targets))
        self._examples += targets.shape[1]
        if self._examples >= ROWS_HELD:
            self._fold()

    def _fold(self) -> None:
        if not self._held:
            return
        held, self._held, self._examples = self._held, [], 0
        if not self.counts_here:
            for losses, scores, targets in held:
                for k, metrics in enumerate(self.stage_metrics):
                    metrics.update(losses[k], self._weight(k, targets[k]), scores[k], targets[k])
            return
        batch_losses, batch_scores, batch_targets = zip(*held, strict=True)
        losses = torch.stack(batch_losses, 1).float()  # [K, S]
        weights = self._weights(batch_targets)
        targets = torch.cat(batch_targets, 1)
        scores = torch.cat(batch_scores, 1).float()
        hits = scores.argmax(2) == targets
        counted = self._counted(targets)
        sums = [
            (losses * weights).sum(1),
            weights.sum(1),
            (hits if counted is None else hits & counted).sum(1),
            targets.new_full(targets.shape[:1], targets.shape[1]) if counted is None else counted.sum(1),
        ]
        self._sums = [old + new for old, new in zip(self._sums, sums, strict=True)] if self._sums else sums
        if self._tested is not None:
            self._tested.take(scores, targets, hits)
        if self._batched or self._by_lane:
            self._measure_requested(scores, targets, counted)

    def _measure_requested(self, scores: Tensor, targets: Tensor, counted: Tensor | None) -> None:
        """Add scores `[K, N, C]` and labels `[K, N]` to the metrics that were asked for."""
        forms: dict[str, Tensor] = {}
        for name, metric in self._batched.items():
            form = self.stage_metrics[0].requested[name].scores
            if form not in forms:
                forms[form] = SCORES[form](scores)
            old = self._states.get(name, {})
            self._states[name] = {
                key: metric.joined(key, old[key], new) if old else new
                for key, new in metric.measure(forms[form], targets, counted).items()
            }
        for name in self._by_lane:
            for k, metrics in enumerate(self.stage_metrics):
                metrics.update_requested(name, scores[k], targets[k])

    def _counted(self, targets: Tensor) -> Tensor | None:
        """Which examples count, bool `[K, B]`; None for all."""
        if not any(loss.ignores for loss in self.losses):
            return None
        ignored = [loss.ignore_index for loss in self.losses]
        ignores_none = torch.tensor([index is None for index in ignored], device=targets.device)
        indices = torch.tensor([-1 if index is None else index for index in ignored], device=targets.device)
        return (targets != indices[:, None]) | ignores_none[:, None]

    def _weight(self, lane: int, targets: Tensor) -> Tensor | int:
        """The weight of a lane's mini-batch in the mean loss."""
        return len(targets) if self.mixed else self.losses[lane].weight(targets)

    def _weights(self, targets: Sequence[Tensor]) -> Tensor:
        """The weight of each mini-batch in the mean loss: float32 `[K, S]`."""
        sizes = torch.tensor([float(batch.shape[1]) for batch in targets], device=targets[0].device)
        weights = sizes.repeat(len(self.losses), 1)
        counts_by_index: dict[int, Tensor] = {}
        if self.mixed:
            return weights
        for k, loss in enumerate(self.losses):
            ignored = self._ignored[k]
            if loss.ignore_index is not None and getattr(loss.criterion, "weight", None) is not None:
                weights[k] = torch.stack([torch.as_tensor(loss.weight(batch[k])) for batch in targets])
            elif ignored is not None:
                if ignored not in counts_by_index:
                    counts = [(batch != ignored).sum(1, dtype=torch.float32) for batch in targets]
                    counts_by_index[ignored] = torch.stack(counts, 1)
                weights[k] = counts_by_index[ignored][k]
        return weights

    def state(self, lane: int) -> State:
        """What a lane's individual run would have collected since the last `compute`."""
        metrics = self.stage_metrics[lane]
        state = metrics.state()
        state["held"] = [
            [
                losses[lane].clone(),
                self._weight(lane, targets[lane]),
                scores[lane].clone(),
                targets[lane].clone(),
            ]
            for losses, scores, targets in self._held
        ]
        if self._sums:
            loss_sum, weight_sum, hits, counted = (values[lane].clone() for values in self._sums)
            misses = counted - hits
            others = len(metrics.classes) * counted - hits - 2 * misses
            states: State = {
                "losses": {"sum_value": loss_sum},
                "weights": {"sum_value": weight_sum},
                "accuracy": {"tp": hits, "fp": misses, "fn": misses.clone(), "tn": others},
            }
            for name, values in self._states.items():
                kinds = self._batched[name].kinds
                parts = {key: value[lane].clone() for key, value in values.items()}
                states[name] = {key: [part] if kinds[key] == "cat" else part for key, part in parts.items()}
            state["metrics"] |= {name: {"updates": 1, "state": parts} for name, parts in states.items()}
        return state

    def load_states(self, states: Sequence[State]) -> None:
        """Restore what `state` returned for each lane."""
        for held in zip(*(state["held"] for state in states), strict=True):
            losses, _, scores, targets = zip(*held, strict=True)
            self._held.append((torch.stack(losses), torch.stack(scores), torch.stack(targets)))
            self._examples += len(targets[0])
        for metrics, state in zip(self.stage_metrics, states, strict=True):
            saved = state["metrics"]
            if self.counts_here:  # `losses` too, as it says where the tensors are
                saved = {name: saved[name] for name in ("losses", *self._by_lane)} if self._by_lane else {}
            metrics.load_state({"held": [], "metrics": saved})
        if self.counts_here and states[0]["metrics"]["losses"]["updates"]:
            sums = [_sums_of(state["metrics"]) for state in states]
            self._sums = [torch.stack(values) for values in zip(*sums, strict=True)]
            for name, metric in self._batched.items():
                lanes = [state["metrics"][name]["state"] for state in states]
                self._states[name] = {
                    key: torch.stack([torch.cat(s[key]) if kind == "cat" else s[key] for s in lanes])
                    for key, kind in metric.kinds.items()
                }

    def compute(self) -> list[dict[str, Tensor]]:
        """Each lane's values by name, on the CPU; resets."""
        return _on_cpu(self._values_by_lane())

    def _values_by_lane(self) -> list[dict[str, Tensor]]:
        self._fold()
        if not self.counts_here:
            return [metrics.compute() for metrics in self.stage_metrics]
        loss_sums, weight_sums, hits, counted = (values.float() for values in self._sums)
        self._sums = []
        accuracies = torch.where(counted == 0, 0.0, hits / torch.where(counted == 0, 1.0, counted))
        by_lane = zip((loss_sums / weight_sums).unbind(), accuracies.unbind(), strict=True)
        values = [{"loss": loss, "accuracy": accuracy} for loss, accuracy in by_lane]
        if self._tested is not None:
            for lane, tested in zip(values, self._tested.compute(), strict=True):
                lane |= tested
        states, self._states = self._states, {}
        for name in self.stage_metrics[0].requested:
            if name in self._batched:
                of_lanes = self._batched[name].value(states[name]).unbind()
            else:
                of_lanes = tuple(metrics.compute_requested(name) for metrics in self.stage_metrics)
            for lane, value in zip(values, of_lanes, strict=True):
                lane[name] = value
        return values


def _on_cpu(values: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """The lanes' values, of which each name's are brought over at once: reading one waits for the device."""
    is_there = all(value.device.type == "cpu" for value in values[0].values())
    if is_there or any(lane.keys() != values[0].keys() for lane in values):
        return values
    by_name = {name: torch.stack([lane[name] for lane in values]).cpu().unbind() for name in values[0]}
    return [{name: by_name[name][number] for name in lane} for number, lane in enumerate(values)]


def _sums_of(metrics: State) -> tuple[Tensor, ...]:
    """A lane's four sums, from the state of its metrics."""
    accuracy = metrics["accuracy"]["state"]
    return (
        metrics["losses"]["state"]["sum_value"],
        metrics["weights"]["state"]["sum_value"],
        accuracy["tp"],
        accuracy["tp"] + accuracy["fn"],
    )
