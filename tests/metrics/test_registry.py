"""The registry of metrics: directions, titles and ranges."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from abreast.config.schema import TASKS
from abreast.metrics import registry
from abreast.metrics.objective import monitor, objective, ranked_by, worst


@pytest.mark.parametrize(
    ("key", "mode", "worst_value", "title"),
    [
        ("val/loss", "min", math.inf, "loss"),
        ("val/accuracy", "max", 0.0, "accuracy"),
        ("test/accuracy/cat", "max", 0.0, "accuracy"),
        ("test/ece", "min", 1.0, "calibration error"),
        ("mae", "min", math.inf, "mean absolute error"),
        ("train/r2", "max", -math.inf, "R²"),
        ("val/my_error", "min", math.inf, "my_error"),
        ("loss", "min", math.inf, "loss"),
        ("val/loss/accuracy", "min", math.inf, "loss"),
    ],
)
def test_a_key_has_its_metric(key: str, mode: str, worst_value: float, title: str) -> None:
    assert (registry.direction(key), registry.worst_value(key)) == (mode, worst_value)
    assert registry.title(key) == title


def test_rows_are_sound() -> None:
    names = [metric.name for metric in registry.METRICS]
    assert len(set(names)) == len(names)
    priorities = [metric.priority for metric in registry.METRICS]
    assert len(set(priorities)) == len(priorities)
    for metric in registry.METRICS:
        assert "/" not in metric.name
        assert set(metric.tasks) <= set(TASKS)
        assert len(metric.short_title) <= 17
        assert metric.higher_is_better is (metric.mode == "max")
        if not math.isfinite(metric.worst):
            assert math.copysign(1, metric.worst) == (-1 if metric.mode == "max" else 1)
        assert (metric.best > metric.worst) is metric.higher_is_better


@pytest.mark.parametrize(
    ("key", "range_"),
    [
        ("test/accuracy", (0.0, 1.0)),
        ("test/accuracy/cat", (0.0, 1.0)),
        ("test/ece", (0.0, 1.0)),
        ("test/mae", (0.0, None)),
        ("val/r2", (None, 1.0)),
        ("val/loss", (None, None)),  # a custom criterion may be negative
        ("val/my_error", (None, None)),
    ],
)
def test_a_key_has_its_range(key: str, range_: tuple[float | None, float | None]) -> None:
    assert registry.bounds(key) == range_


def test_each_task_has_a_default_monitor_that_is_measured() -> None:
    for task in TASKS:
        config = {"data": {"task": task, "val_fraction": 0.1}}
        monitored = monitor(config)
        assert monitored is not None
        assert monitored[0] in registry.monitored_keys(task)


def test_the_objective_is_the_monitored_metric() -> None:
    config = {"data": {"task": "classification", "val_fraction": 0.1}}
    assert ranked_by(config) == ("val/accuracy", "max")
    assert objective(config, {"val/accuracy": 0.5, "train/loss": 1.0}) == 0.5
    assert objective(config, {"val/loss": 1.0}) == 0.0  # measured, and not defined
    with pytest.raises(KeyError):
        objective(config, {"train/loss": 1.0})
    assert worst(config) == 0.0
    assert worst({"monitor": "val/r2"}) == -math.inf
    without_validation = {"data": {"task": "classification", "val_fraction": 0}}
    assert monitor(without_validation) is None
    assert ranked_by(without_validation) == ("train/loss", "min")
    assert objective(without_validation, {"train/loss": 1.0}) == 1.0
    assert worst(without_validation) == math.inf


def test_the_package_imports_torch_for_stage_metrics_alone() -> None:
    program = (
        "import sys, abreast.metrics as metrics; assert 'torch' not in sys.modules; "
        "metrics.StageMetrics; assert 'torch' in sys.modules; assert not hasattr(metrics, 'Unknown')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
