"""The table of metrics: task, direction, titles and range of each, said once. No torch.

A metric is a `Metric` in `METRICS`, plus what makes its torchmetrics object: a function in
`abreast.metrics.stage.FACTORIES` for one that every run measures, an option in `conf/metrics/` for one that
is measured where it is asked for. To add one, write both, and a row of `tests/metrics/test_stage.py` or of
`tests/metrics/test_options.py` that compares it with a reference. Columns of metrics.csv, the summary,
reports, studies, `monitor=` and its checks follow. A metric that only a configuration knows is `declare`d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Mode = Literal["min", "max"]
Task = Literal["classification", "regression"]

TASKS: tuple[Task, ...] = ("classification", "regression")


@dataclass(frozen=True)
class Metric:
    """What is known of a metric without measuring it.

    Attributes:
        name: As in `val/<name>`.
        tasks: Where it is defined.
        mode: Whether `max` or `min` of it is best.
        title: For sentences, axes and tables.
        short_title: For the terminal, at most 17 characters.
        worst: The worst value it can have; infinite if it is not bounded on that side.
        best: The best value it can have; infinite if it is not bounded on that side.
        priority: Runs are compared by the metric of the highest priority that they have.
        test_only: Measured in the test alone, because it costs too much for every epoch.
        level_step: Levels that a figure chooses ("reached 0.95 after ...") are multiples of it; None if the
            metric has no natural scale.
        on_request: Measured only where the `metrics` group asks for it.
        is_declared: Known from a configuration alone.
    """

    name: str
    tasks: tuple[Task, ...]
    mode: Mode
    title: str
    short_title: str
    worst: float
    best: float
    priority: int
    test_only: bool = False
    level_step: float | None = None
    on_request: bool = False
    is_declared: bool = False

    @property
    def higher_is_better(self) -> bool:
        """Whether the direction is `max`."""
        return self.mode == "max"


# In the order of the columns of metrics.csv and of the summary.
METRICS = (
    Metric("loss", TASKS, "min", "loss", "loss", math.inf, -math.inf, priority=1),
    Metric(
        "accuracy",
        ("classification",),
        "max",
        "accuracy",
        "accuracy",
        0.0,
        1.0,
        priority=4,
        level_step=0.005,
    ),
    Metric(
        "ece",
        ("classification",),
        "min",
        "calibration error",
        "calibration error",
        1.0,
        0.0,
        priority=0,
        test_only=True,
    ),
    Metric(
        "mae", ("regression",), "min", "mean absolute error", "mean abs. error", math.inf, 0.0, priority=2
    ),
    Metric("r2", ("regression",), "max", "R²", "R²", -math.inf, 1.0, priority=3, level_step=0.01),
    Metric(
        "balanced_accuracy",
        ("classification",),
        "max",
        "balanced accuracy",
        "balanced accuracy",
        0.0,
        1.0,
        priority=-1,
        level_step=0.005,
        on_request=True,
    ),
    Metric(
        "macro_f1",
        ("classification",),
        "max",
        "macro F1",
        "macro F1",
        0.0,
        1.0,
        priority=-2,
        level_step=0.005,
        on_request=True,
    ),
    Metric(
        "auroc",
        ("classification",),
        "max",
        "AUROC",
        "AUROC",
        0.0,
        1.0,
        priority=-3,
        level_step=0.005,
        on_request=True,
    ),
    Metric(
        "top5",
        ("classification",),
        "max",
        "top-5 accuracy",
        "top-5 accuracy",
        0.0,
        1.0,
        priority=-4,
        level_step=0.005,
        on_request=True,
    ),
    Metric(
        "brier",
        ("classification",),
        "min",
        "Brier score",
        "Brier score",
        2.0,
        0.0,
        priority=-5,
        on_request=True,
    ),
    Metric(
        "rmse",
        ("regression",),
        "min",
        "root mean squared error",
        "RMSE",
        math.inf,
        0.0,
        priority=-6,
        on_request=True,
    ),
)
