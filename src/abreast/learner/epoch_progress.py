"""What the current epoch has come to: the part of a training's state that only exists within an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from torch import Tensor

from abreast.config.types import State
from abreast.metrics.stage import Sample


class EpochState(TypedDict):
    """An `EpochProgress` and the metrics collected with it, as tensors and plain values."""

    first_step: int
    losses: list[Tensor]
    samples: list[list[Any]]
    meter: State


@dataclass
class EpochProgress:
    """Counts and measurements of the epoch in progress.

    Attributes:
        first_step: Optimizer steps that were done before the epoch.
        batches_done: Mini-batches of the epoch that were trained on.
        losses: The loss of each of these mini-batches, 0-d tensors on the training device.
        samples: The optimizer steps that were sampled for the loggers.
    """

    first_step: int = 0
    batches_done: int = 0
    losses: list[Tensor] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def state(self, metrics: State, losses: Sequence[Tensor] | None = None) -> EpochState:
        """The content of a checkpoint that is saved within the epoch.

        Args:
            metrics: State of the training metrics (`StageMetrics.state`).
            losses: Losses to save in place of `self.losses`, where they are collected elsewhere.
        """
        return {
            "first_step": self.first_step,
            "losses": list(self.losses if losses is None else losses),
            "samples": [[sample.step, sample.lr, sample.loss, sample.grad_norm] for sample in self.samples],
            "meter": metrics,
        }

    def load_state(self, state: EpochState) -> None:
        """Restore what `state` gave, `batches_done` and the metrics excepted."""
        self.first_step = state["first_step"]
        self.losses = list(state["losses"])
        self.samples = [Sample(*values) for values in state["samples"]]
