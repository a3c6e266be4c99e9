"""How far a lane is, and the best that it has reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from abreast.metrics.objective import ranked_by
from abreast.stacking.lane import Lane, LaneState


@dataclass(frozen=True)
class Best:
    """The best that a lane has reached.

    Attributes:
        metric: The metric that it is ranked by.
        value: Its best value so far.
        epoch: The epoch of that value, from 1 on.
        mode: Whether the highest (`max`) or the lowest (`min`) value is best.
    """

    metric: str
    value: float
    epoch: int
    mode: str

    @property
    def cost(self) -> float:
        """The value, the lower the better."""
        return self.value if self.mode == "min" else -self.value


@dataclass(frozen=True)
class LaneProgress:
    """How far a lane is.

    Attributes:
        directory: Its run directory.
        state: Whether it trains, or how it has ended.
        epoch: Its epochs that are complete.
        steps: Its steps.
        total_steps: Its steps at the end of the training.
        last: What it has reached in its last epoch; None if nothing that can be compared was measured.
    """

    directory: Path
    state: LaneState
    epoch: int
    steps: int
    total_steps: int
    last: Best | None

    @classmethod
    def of(cls, lane: Lane) -> LaneProgress:
        """The progress of a lane."""
        metric, mode = ranked_by(lane.cfg)
        value = lane.learner.values.get(metric, float("nan"))
        last = None if math.isnan(value) else Best(metric, value, lane.epoch + 1, mode)
        return cls(lane.directory.path, lane.state, lane.epoch, lane.steps, lane.learner.total_steps, last)

    @property
    def is_running(self) -> bool:
        """Whether it trains."""
        return self.state == "running"
