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

from abreast.config.schema import TASKS, Task

Mode = Literal["min", "max"]

CLASSIFICATION: tuple[Task, ...] = ("classification",)
REGRESSION: tuple[Task, ...] = ("regression",)


@dataclass(frozen=True)
class Metric:
    """What is known of a metric without measuring it.

    Attributes:
        name: As in `val/<name>`.
        tasks: Where it is defined.
        mode: Whether `max` or `min` of it is best.
        title: For sentences, axes and tables.
        worst: The worst value it can have; infinite if it is not bounded on that side.
        best: The best value it can have; infinite if it is not bounded on that side.
        priority: Runs are compared by the metric of the highest priority that they have.
        short: The title for the terminal, at most 17 characters, where `title` has more.
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
    worst: float
    best: float
    priority: int
    short: str = ""
    test_only: bool = False
    level_step: float | None = None
    on_request: bool = False
    is_declared: bool = False

    @property
    def short_title(self) -> str:
        """The title for the terminal, at most 17 characters."""
        return self.short or self.title

    @property
    def higher_is_better(self) -> bool:
        """Whether the direction is `max`."""
        return self.mode == "max"


def _share(name: str, title: str, priority: int, *, on_request: bool = True) -> Metric:
    """A metric of classification from 0 to 1, of which more is better."""
    return Metric(
        name, CLASSIFICATION, "max", title, 0.0, 1.0, priority, level_step=0.005, on_request=on_request
    )


# In the order of the columns of metrics.csv and of the summary.
METRICS = (
    Metric("loss", TASKS, "min", "loss", math.inf, -math.inf, 1),
    _share("accuracy", "accuracy", 4, on_request=False),
    Metric("ece", CLASSIFICATION, "min", "calibration error", 1.0, 0.0, 0, test_only=True),
    Metric("mae", REGRESSION, "min", "mean absolute error", math.inf, 0.0, 2, "mean abs. error"),
    Metric("r2", REGRESSION, "max", "R²", -math.inf, 1.0, 3, level_step=0.01),
    _share("balanced_accuracy", "balanced accuracy", -1),
    _share("macro_f1", "macro F1", -2),
    _share("auroc", "AUROC", -3),
    _share("top5", "top-5 accuracy", -4),
    Metric("brier", CLASSIFICATION, "min", "Brier score", 2.0, 0.0, -5, on_request=True),
    Metric("rmse", REGRESSION, "min", "root mean squared error", math.inf, 0.0, -6, "RMSE", on_request=True),
)
