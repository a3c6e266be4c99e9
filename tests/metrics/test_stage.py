"""Metrics of a stage against scikit-learn and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, mean_absolute_error, r2_score

from abreast.metrics import stage as metrics
from abreast.metrics.registry import METRICS
from abreast.metrics.stage import FACTORIES, StageMetrics

SCORES = torch.randn(101, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 4, (101,), generator=torch.Generator().manual_seed(1))


def fed(
    meter: StageMetrics, scores: torch.Tensor, targets: torch.Tensor, size: int
) -> dict[str, torch.Tensor]:
    for rows, labels in zip(scores.split(size), targets.split(size), strict=True):
        meter.update(rows.mean(), len(rows), rows, labels)
    return meter.compute()


@pytest.mark.parametrize("size", [7, 50, 101])
def test_classes(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ROWS_HELD", 20)  # fold several times
    found = fed(StageMetrics(("a", "b", "c", "d"), full=True), SCORES, LABELS, size)
    guesses = SCORES.argmax(1)
    assert found["accuracy"].item() == pytest.approx(accuracy_score(LABELS, guesses))
    assert np.array_equal(found["confusion"].numpy(), confusion_matrix(LABELS, guesses))
    assert found["loss"].item() == pytest.approx(SCORES.mean().item(), rel=1e-5)


def test_calibration_error_by_hand() -> None:
    # Guo et al. 2017, equation 3: sum over 15 bins of the share of rows times |accuracy - confidence|.
    chance, guess = SCORES.softmax(1).max(1)
    hits = (guess == LABELS).double()
    bins = torch.clamp((chance * 15).ceil().long() - 1, 0, 14)
    expected = sum(
        (bins == k).double().mean() * abs(hits[bins == k].mean() - chance[bins == k].double().mean())
        for k in bins.unique()
    )
    found = fed(StageMetrics(("a", "b", "c", "d"), full=True), SCORES, LABELS, 10)["ece"]
    assert found.item() == pytest.approx(float(expected), rel=1e-4)


def test_regression() -> None:
    scores, targets = SCORES[:, :2], SCORES[:, 2:]
    found = fed(StageMetrics(()), scores, targets, 13)
    assert found["mae"].item() == pytest.approx(mean_absolute_error(targets, scores), rel=1e-5)
    assert found["r2"].item() == pytest.approx(r2_score(targets, scores), rel=1e-4)


def test_ignored_rows_do_not_count() -> None:
    labels = LABELS.clone()
    labels[::3] = -100
    kept = labels != -100
    found = fed(StageMetrics(("a", "b", "c", "d"), ignore_index=-100), SCORES, labels, 10)
    assert found["accuracy"].item() == pytest.approx(accuracy_score(LABELS[kept], SCORES.argmax(1)[kept]))


def test_the_loss_is_weighted() -> None:
    meter = StageMetrics(("a", "b", "c", "d"))
    meter.update(torch.tensor(1.0), torch.tensor(3.0), SCORES[:2], LABELS[:2])
    meter.update(torch.tensor(5.0), torch.tensor(1.0), SCORES[:2], LABELS[:2])
    assert meter.compute()["loss"].item() == 2.0  # (3 * 1 + 1 * 5) / 4


def test_each_stage_begins_anew() -> None:
    meter = StageMetrics(("a", "b", "c", "d"))
    fed(meter, SCORES, LABELS, 10)
    again = fed(meter, SCORES[:10], LABELS[:10], 5)
    assert again["accuracy"].item() == pytest.approx(accuracy_score(LABELS[:10], SCORES[:10].argmax(1)))


def test_every_metric_is_made_and_compared_with_a_reference() -> None:
    assert sorted(FACTORIES) == sorted(
        metric.name for metric in METRICS if metric.name != "loss" and not metric.on_request
    )
