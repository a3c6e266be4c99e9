"""The likely cause of a run that learned nothing; the curves are those of runs on the digits, as named."""

from __future__ import annotations

import math

import pytest

from abreast.runs.diagnosis import likely_cause

MSE_SGD = {"loss": "mse", "optim": "sgd", "optim.lr": 0.001}
ADAM = {"loss": "cross_entropy", "optim": "adam", "optim.lr": 3.0}
# loss=mse optim=sgd: torch's default learning rate
SLOW = [0.1656, 0.1458, 0.1334, 0.1254, 0.1199, 0.1159, 0.1127, 0.1100, 0.1077, 0.1057]
# loss=cross_entropy optim=adam optim.lr=3
BURST = [2256.35, 4.840907, 4.804299, 2.338952, 2.411629, 2.433478, 2.286078, 2.297897, 2.208687, 2.295716]


@pytest.mark.parametrize(
    ("settings", "losses", "sentence"),
    [
        (MSE_SGD, SLOW, "optim.lr=0.001 is probably too small for loss=mse with optim=sgd"),
        (MSE_SGD, SLOW, "(try optim.lr=0.01 or 0.1), or 10 epochs are too few"),
        (ADAM, BURST, "optim.lr=3 is probably too large for loss=cross_entropy with optim=adam"),
        (ADAM, [2.3, 2.9, 8.0], "The training loss grew (2.3 in the first epoch, 8 in the last of 3 epochs)"),
        (ADAM, [2.3, math.nan], "The training loss is not finite: optim.lr=3 is probably too large"),
        (ADAM, [2.31, 2.34, 2.30, 2.33], "has no trend"),
        (MSE_SGD, [2.388048] * 5, "did not move (2.388 in the first epoch, 2.388 in the last of 5 epochs)"),
        ({}, SLOW, "the learning rate is probably too small, or 10 epochs are too few"),
        (MSE_SGD, [0.1656], "One epoch does not show why"),
        (MSE_SGD, [], "There is no training curve"),
        (MSE_SGD, [0.0, 0.0], "did not move"),
        (ADAM, [-1.0, -0.5], "The training loss grew"),
    ],
)
def test_the_curve_decides(settings: dict[str, object], losses: list[float], sentence: str) -> None:
    cause = likely_cause(settings, {"train/loss": losses})
    assert sentence in cause
    assert "\n" not in cause


def test_a_run_that_learned_its_training_examples_had_a_fitting_learning_rate() -> None:
    cause = likely_cause(MSE_SGD, {"train/loss": [0.16, 0.01], "train/accuracy": [0.5, 0.98]})
    assert "the test examples probably differ from them" in cause
    assert "optim.lr" not in cause
