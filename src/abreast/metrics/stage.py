"""What is measured in a stage, collected without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, Metric, R2Score, SumMetric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
)

from abreast.config.types import State
from abreast.metrics import torchmetrics_state
from abreast.metrics.example_outcomes import OutcomeCollector
from abreast.metrics.registry import measured
from abreast.metrics.request import MetricRequest, value_of
from abreast.metrics.worst_examples import WorstExamples

ROWS_HELD = 1 << 16  # examples kept before they are folded into the metrics
SUMS = ("losses", "weights")
MOST_CONFUSED = 1000  # classes; a confusion matrix of more fills memory and the result's file
ECE_BINS = 15  # Guo et al. 2017, arXiv 1706.04599

Options: TypeAlias = dict[str, Any]  # what torchmetrics' multiclass metrics take; empty for regression
# How each metric of the registry but the loss is made.
FACTORIES: dict[str, Callable[[Options], Metric]] = {
    "accuracy": lambda options: MulticlassAccuracy(average="micro", **options),
    "ece": lambda options: MulticlassCalibrationError(n_bins=ECE_BINS, **options),
    "mae": lambda options: MeanAbsoluteError(),
    "r2": lambda options: R2Score(),
}


@dataclass(frozen=True)
class Sample:
    """What is logged of one optimizer step; the tensors wait on the device until the epoch is over."""

    step: int
    lr: float
    loss: Tensor
    grad_norm: Tensor


class StageMetrics:
    """Loss and metrics of one stage, over its examples.

    `update` only appends tensors, so that it costs a step next to nothing; the metrics see the examples of
    many mini-batches at once.

    Args:
        classes: Their names; `()` for regression, which decides what is measured (see
            `abreast.metrics.registry`).
        ignore_index: A label whose examples do not count.
        full: Measure also what only a test measures: the confusion matrix, the worst examples, and the
            outcome of each example.
        requested: Further metrics by name, which are in the registry or declared.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        *,
        ignore_index: int | None = None,
        full: bool = False,
        requested: Mapping[str, MetricRequest] | None = None,
    ) -> None:
        self.classes = classes
        self.ignore_index = ignore_index
        self.full = full
        self.requested = dict(requested or {})
        task = "classification" if classes else "regression"
        self.measured = measured(task, test=full, requested=tuple(self.requested))
        self._made: dict[str, Metric] = {}
        self._device = torch.device("cpu")  # of the metrics: that of the last mini-batch
        self._held: list[tuple[Tensor, Tensor | int, Tensor, Tensor]] = []
        self._rows = 0
        self.worst_examples = WorstExamples(ignore_index) if full and classes else None
        self.outcomes = OutcomeCollector(bool(classes), ignore_index) if full else None

    def _metrics(self, device: torch.device | None = None) -> dict[str, Metric]:
        if not self._made:  # made late: it takes longer than building a small network
            self._made = self._make()
        if device is not None and device != self._device:
            self._device = device
            for metric in self._made.values():
                metric.to(device)
        return self._made

    def _make(self) -> dict[str, Metric]:
        # Not torchmetrics' MeanMetric: with the check for nan off, which waits for the device, 1.9.0 drops
        # the weights.
        metrics: dict[str, Metric] = {name: SumMetric(nan_strategy="disable") for name in SUMS}
        options: Options = {}
        if self.classes:
            options = {"num_classes": len(self.classes), "ignore_index": self.ignore_index}
            options["validate_args"] = False
        for metric in self.measured:
            if metric.name in self.requested:
                metrics[metric.name] = self.requested[metric.name].make()
            elif metric.name != "loss":
                metrics[metric.name] = FACTORIES[metric.name](options)
        if self.full and 0 < len(self.classes) <= MOST_CONFUSED:
            metrics["confusion"] = MulticlassConfusionMatrix(**options)
        return metrics

    def update(self, loss: Tensor, weight: Tensor | int, scores: Tensor, targets: Tensor) -> None:
        """Add a mini-batch: its mean loss, the weight of that, its raw scores and its targets."""
        self._held.append((loss.detach(), weight, scores.detach(), targets))
        self._rows += len(targets)
        if self._rows >= ROWS_HELD:
            self._fold()

    def state(self) -> State:
        """All mini-batches since the last `compute`, as tensors and plain values."""
        return {
            "held": [list(batch) for batch in self._held],
            "metrics": {name: torchmetrics_state.save(metric) for name, metric in self._metrics().items()},
        }

    def load_state(self, state: State) -> None:
        """Continue from what `state` returned."""
        self._held = [cast("Any", tuple(batch)) for batch in state["held"]]
        self._rows = sum(len(targets) for *_, targets in self._held)
        if state["metrics"]:
            total = state["metrics"]["losses"]["state"]["sum_value"]
            for name, values in state["metrics"].items():
                torchmetrics_state.restore(self._metrics(total.device)[name], values)

    def take_part(self, outputs: int, dtype: torch.dtype, device: torch.device) -> None:
        """On a rank without examples: add an empty mini-batch of `outputs` scores, as all ranks sum up."""
        if not self._held and not self._metrics(device)["losses"].update_called:
            rows = torch.zeros(0, outputs, dtype=dtype, device=device)
            self.update(rows.sum(), 0, rows, rows[:, 0].long() if self.classes else rows)

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
        metrics = self._metrics(loss.device)
        metrics["losses"].update((loss * weight).sum())
        metrics["weights"].update(weight.sum())
        rows, labels = torch.cat(scores).float(), torch.cat(targets)
        for name in [name for name in metrics if name not in SUMS]:
            if name == "accuracy" and not len(rows):
                torchmetrics_state.mark_updated(metrics[name])  # its `update` raises for no examples
                continue
            if name in self.requested:
                self.update_requested(name, rows, labels)
                continue
            # torchmetrics takes scores that all lie in [0, 1] for probabilities.
            metrics[name].update(rows.softmax(1) if name == "ece" else rows, labels)
        for collector in (self.worst_examples, self.outcomes):
            if collector is not None:
                collector.take(rows, labels)

    def update_requested(self, name: str, scores: Tensor, targets: Tensor) -> None:
        """Add raw float32 scores `[N, C]` and targets to one of the metrics that were asked for."""
        metric = self._metrics(scores.device)[name]
        self.requested[name].update(metric, scores, targets, self.ignore_index)

    def compute_requested(self, name: str) -> Tensor:
        """The value of one of the metrics that were asked for, and reset it."""
        metric = self._metrics()[name]
        value = value_of(metric)
        metric.reset()
        return value

    def compute(self) -> dict[str, Tensor]:
        """The values by name, over all ranks, and reset. The confusion matrix is `[C, C]`."""
        self._fold()
        for collector in (self.worst_examples, self.outcomes):
            if collector is not None:
                collector.close()
        metrics = self._metrics()
        weight = metrics["weights"].compute()
        values = {"loss": metrics["losses"].compute() / weight}
        for name, metric in metrics.items():
            if name in SUMS or (name == "r2" and weight < 2):
                continue  # a single example has no variance to explain
            values[name] = value_of(metric) if name in self.requested else metric.compute()
        for metric in metrics.values():
            metric.reset()
        return values
