"""The table at a run's end warns of a run that did no better than guessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abreast.runs.summary import chance_warnings, print_summary

SETTINGS = {"loss": "mse", "optim": "sgd", "optim.lr": 0.001}
CURVE = {"train/loss": [0.16, 0.15, 0.14], "train/accuracy": [0.04, 0.05, 0.06]}


def result(accuracy: float) -> dict[str, Any]:
    return {
        "metrics": {"train/loss": 0.14, "test/loss": 0.14, "test/accuracy": accuracy},
        "classes": list("0123456789"),
        "examples": {"test": 360},
        "facts": {},
        "epoch": 3,
        "seconds": 1.0,
        "seed": 0,
    }


def test_a_run_at_chance_says_so_with_its_likely_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (warning,) = chance_warnings(result(0.13), SETTINGS, CURVE)
    # 55 of 360 hits: scipy.stats.binom.isf(0.001, 360, 0.1)
    start = "test accuracy 0.1300 is at chance: with 360 test examples, guessing reaches up to 0.1528."
    assert warning.startswith(start)
    assert "optim.lr=0.001 is probably too small for loss=mse with optim=sgd" in warning
    print_summary(tmp_path, result(0.13), [warning])
    printed = capsys.readouterr().out
    assert f"Warning: {warning}" in printed


def test_any_other_run_says_nothing() -> None:
    assert chance_warnings(result(0.2), SETTINGS, CURVE) == []


def test_a_regression_is_compared_with_the_mean() -> None:
    regression = {**result(0.0), "metrics": {"test/r2": -0.5, "test/loss": 1.0}}
    (warning,) = chance_warnings(regression, SETTINGS, CURVE)
    assert warning.startswith("test R² -0.5000 is no better than predicting the mean of the targets.")
