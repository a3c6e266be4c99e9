"""The options of the `metrics` group against scikit-learn and torchmetrics, for one network and for many."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor
from torchmetrics.classification import MulticlassAUROC, MulticlassCalibrationError, MulticlassF1Score

from abreast.build.metrics import build_metrics
from abreast.errors import ConfigError
from abreast.losses import Loss
from abreast.metrics import registry
from abreast.metrics.batched import BatchedMetric
from abreast.metrics.registry import METRICS
from abreast.metrics.requested import requested
from abreast.metrics.stage import StageMetrics
from abreast.stacking import metrics as stacking_metrics
from abreast.stacking.metrics import StackMetrics
from support.helpers import allowed, compose, options

CLASSES, LANES, ROWS = 7, 3, 90
SCORES = (
    torch.randn(LANES, ROWS, CLASSES, generator=torch.Generator().manual_seed(0)).mul(3).round(decimals=1)
)
LABELS = torch.randint(
    0, CLASSES - 1, (LANES, ROWS), generator=torch.Generator().manual_seed(1)
)  # not the last
KAPPA = "torchmetrics.classification.MulticlassCohenKappa"


def _auroc(scores: Tensor, labels: Tensor) -> float:
    chances = scores.softmax(1)
    areas = [sk.roc_auc_score(labels == c, chances[:, c]) for c in labels.unique()]
    return float(np.mean(areas))


def _brier(scores: Tensor, labels: Tensor) -> float:
    """Brier 1950, equation 2."""
    return float((scores.softmax(1) - torch.eye(CLASSES)[labels]).square().sum(1).mean())


REFERENCES: dict[str, Callable[[Tensor, Tensor], float]] = {
    "accuracy": lambda scores, labels: sk.accuracy_score(labels, scores.argmax(1)),
    "balanced_accuracy": lambda scores, labels: sk.recall_score(
        labels, scores.argmax(1), average="macro", labels=labels.unique()
    ),
    "macro_f1": lambda scores, labels: sk.f1_score(labels, scores.argmax(1), average="macro"),
    "auroc": _auroc,
    "brier": _brier,
    "ece": lambda scores, labels: float(MulticlassCalibrationError(CLASSES)(scores.softmax(1), labels)),
    "top5": lambda scores, labels: sk.top_k_accuracy_score(labels, scores, k=5, labels=range(CLASSES)),
}
REGRESSION: dict[str, Callable[[Tensor, Tensor], float]] = {
    "mae": lambda scores, targets: sk.mean_absolute_error(targets, scores),
    "rmse": lambda scores, targets: float(sk.mean_squared_error(targets, scores)) ** 0.5,
    "r2": lambda scores, targets: sk.r2_score(targets, scores),
}
ON_REQUEST = [name for name in REFERENCES if name != "accuracy"]


def build(*overrides: str, task: str = "classification", outputs: int = CLASSES) -> dict[str, Any]:
    data = () if task == "classification" else ("data=random_regression", "loss=mse")
    with allowed():
        return build_metrics(compose(*data, *overrides), outputs if task == "classification" else 0, outputs)


def measure(stage: StageMetrics, scores: Tensor, targets: Tensor, size: int = 17) -> dict[str, float]:
    for rows, labels in zip(scores.split(size), targets.split(size), strict=True):
        stage.update(rows.float().mean(), len(rows), rows, labels)
    return {name: value.item() for name, value in stage.compute().items()}


def stage(*overrides: str, **more: Any) -> StageMetrics:
    return StageMetrics(tuple("abcdefg"), requested=build(*overrides), **more)


def test_every_option_and_every_row_of_the_table_has_a_reference() -> None:
    assert {*REFERENCES, *REGRESSION} == {*options("metrics")} - {"default"}
    assert {*REFERENCES, *REGRESSION} == {metric.name for metric in METRICS} - {"loss"}


@pytest.mark.parametrize("name", REFERENCES)
def test_an_option_is_what_its_reference_says(name: str) -> None:
    for scores, labels in zip(SCORES, LABELS, strict=True):
        value = measure(stage(f"metrics={name}"), scores, labels)[name]
        assert value == pytest.approx(REFERENCES[name](scores, labels), rel=2e-6)


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("outputs", [1, 3])
def test_an_option_of_regression_is_what_its_reference_says(name: str, outputs: int) -> None:
    scores, targets = SCORES[0, :, :outputs], SCORES[1, :, :outputs]
    metrics = StageMetrics((), requested=build(f"metrics={name}", task="regression", outputs=outputs))
    assert measure(metrics, scores, targets)[name] == pytest.approx(
        REGRESSION[name](scores, targets), rel=1e-5
    )


def test_the_same_classes_of_torchmetrics_agree() -> None:
    every = torch.arange(ROWS) % CLASSES  # torchmetrics warns of a class that does not occur
    found = measure(stage("metrics=[auroc,macro_f1]"), SCORES[0], every)
    assert found["auroc"] == pytest.approx(float(MulticlassAUROC(CLASSES)(SCORES[0], every)), rel=1e-5)
    assert found["macro_f1"] == pytest.approx(float(MulticlassF1Score(CLASSES)(SCORES[0], every)), rel=1e-6)


def stack_of(ignored: list[int | None], *overrides: str) -> tuple[StackMetrics, list[StageMetrics]]:
    losses = []
    for index in ignored:
        criterion = torch.nn.CrossEntropyLoss(ignore_index=-100 if index is None else index)
        losses.append(
            Loss(
                criterion,
                scores="logits",
                targets="index",
                outputs=CLASSES,
                task="classification",
                ignores=True,
            )
        )
    requests = build(*overrides)

    def stages() -> list[StageMetrics]:
        return [
            StageMetrics(tuple("abcdefg"), ignore_index=loss.ignore_index, requested=requests)
            for loss in losses
        ]

    return StackMetrics(losses, stages()), stages()


ALL = ("metrics=[" + ",".join(ON_REQUEST) + "]", f"+metrics.test_kappa._target_={KAPPA}")


@pytest.mark.parametrize("ignored", [[None] * 3, [None, 2, 0]], ids=str)
@pytest.mark.parametrize("held", [1 << 16, 40])
def test_a_stack_measures_bitwise_what_its_lanes_measure(
    ignored: list[int | None], held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking_metrics, "ROWS_HELD", held)
    monkeypatch.setattr("abreast.metrics.stage.ROWS_HELD", held)
    stack, lanes = stack_of(ignored, *ALL)
    for start in range(0, ROWS, 20):
        scores, labels = SCORES[:, start : start + 20], LABELS[:, start : start + 20]
        losses = torch.stack([loss(scores[k], labels[k]) for k, loss in enumerate(stack.losses)])
        stack.update(losses, scores, labels)
        for k, lane in enumerate(lanes):
            lane.update(losses[k], stack.losses[k].weight(labels[k]), scores[k], labels[k])
    of_stack, of_lanes = stack.compute(), [lane.compute() for lane in lanes]
    for one, other in zip(of_stack, of_lanes, strict=True):
        assert one.keys() == other.keys() >= {*ON_REQUEST, "test_kappa"}
        for name in one:
            assert one[name].item() == other[name].item(), name
    assert of_stack[0]["auroc"] != of_stack[1]["auroc"]


@pytest.mark.parametrize("fold", [False, True])
def test_the_state_within_an_epoch_goes_from_a_stack_to_a_run_and_back(fold: bool) -> None:
    stack, lanes = stack_of([None, None, None], *ALL)
    again, _ = stack_of([None, None, None], *ALL)
    half = ROWS // 2
    losses = torch.zeros(LANES)
    stack.update(losses, SCORES[:, :half], LABELS[:, :half])
    if fold:
        stack._fold()
    states = [stack.state(k) for k in range(LANES)]
    for lane, state in zip(lanes, states, strict=True):
        lane.load_state(state)
    again.load_states([lane.state() for lane in lanes])
    for metrics in (stack, again):
        metrics.update(losses, SCORES[:, half:], LABELS[:, half:])
    for k, lane in enumerate(lanes):
        weight = stack.losses[k].weight(LABELS[k, half:])
        lane.update(losses[k], weight, SCORES[k, half:], LABELS[k, half:])
    for one, two, lane in zip(stack.compute(), again.compute(), lanes, strict=True):
        values = lane.compute()
        for name in values:
            assert one[name].item() == two[name].item() == values[name].item(), name


def test_every_batched_metric_gives_nan_for_no_examples() -> None:
    requests = build("metrics=[" + ",".join(ON_REQUEST) + "]")
    for name, request in requests.items():
        metric = request.make()
        assert isinstance(metric, BatchedMetric)
        metric.update(torch.zeros(0, CLASSES), torch.zeros(0, dtype=torch.long))
        assert metric.compute().isnan(), name


def test_large_lanes_are_ranked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = build("metrics=auroc")["auroc"].prototype
    states = metric.measure(SCORES.softmax(-1), LABELS, None)
    together = metric.value(states)
    monkeypatch.setattr("abreast.metrics.auroc.MOST_VALUES", 1)
    assert metric.value(states).equal(together)


TM = "_target_=torchmetrics.classification"
MISTAKES = [
    ((f"+metrics.a.{TM}.MulticlassConfusionMatrix", "+metrics.a.mode=max"),
     r"metrics\.a: .*gives a tensor \[7, 7\], and a metric here is one number"),
    (("+metrics.b._target_=torch.nn.Identity", "+metrics.b.mode=max"), r"not a torchmetrics\.Metric"),
    ((f"+metrics.c.{TM}.BinaryAUROC",), r"second of two classes, .* 7 classes"),
    (("metrics=top5", "metrics.top5.k=7"), r"metrics\.top5: .*k=7 of 7 classes is always right"),
    (("+metrics.d._target_=torchmetrics.regression.MeanAbsoluteError",), r"metrics\.d: .*cannot measure"),
    ((f"+metrics.e.{TM}.MulticlassF1Score", "+metrics.e.average=mico"), r"metrics\.e: .*average"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_what_cannot_be_measured_is_named_before_training(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(*overrides)


def test_two_classes_and_torchmetrics_by_any_name() -> None:
    binary = "+metrics.test_pr._target_=torchmetrics.classification.BinaryAveragePrecision"
    requests = build(binary, "metrics=auroc", outputs=2)
    stage = StageMetrics(("a", "b"), requested=requests)
    scores, labels = SCORES[0, :, :2], LABELS[0] % 2
    found = measure(stage, scores, labels)
    chance = scores.softmax(1)[:, 1]
    assert found["test_pr"] == pytest.approx(sk.average_precision_score(labels, chance), rel=1e-5)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels, chance), rel=1e-6)


@pytest.mark.parametrize(
    ("node", "mode"),
    [
        ({"_target_": KAPPA}, "max"),
        ({"_target_": "torchmetrics.classification.MulticlassHammingDistance"}, "min"),
        ({"_target_": "torchmetrics.classification.MulticlassRecall"}, "max"),
        ({"_target_": "torchmetrics.regression.PearsonCorrCoef", "mode": "max"}, "max"),
        ({"_target_": "abreast.metrics.MacroF1"}, "max"),
    ],
    ids=str,
)
def test_the_direction_is_that_of_the_node_or_of_the_class(node: dict[str, str], mode: str) -> None:
    name = "test_" + re.sub(r"\W", "_", node["_target_"])[-20:]
    (metric,) = requested({"metrics": {name: node}})
    assert metric.mode == mode == registry.direction(f"val/{name}")


@pytest.mark.parametrize("name", ["loss", "a/b", "", "x" * 41, "é", "confusion"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a name for a metric"):
        requested({"metrics": {name: {"_target_": KAPPA}}})


def test_a_class_without_a_direction_is_asked_for_one() -> None:
    with pytest.raises(ConfigError, match=r"write \+metrics.test_x.mode=max, or min"):
        requested({"metrics": {"test_x": {"_target_": "torchmetrics.regression.PearsonCorrCoef"}}})


def test_a_configuration_without_metrics_asks_for_none() -> None:
    groups: list[dict[str, Any]] = [{}, {"metrics": None}, {"metrics": {}}, {"metrics": []}]
    for group in groups:
        assert requested(group) == ()
