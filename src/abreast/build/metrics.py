"""The metrics of the configuration's `metrics` group, made and tried on a few examples before training."""

from __future__ import annotations

import inspect
import warnings

import hydra.utils
import torch
from torch import Tensor
from torchmetrics import Metric

from abreast.build.instantiate import make
from abreast.config.schema import MetricKeys, names
from abreast.config.types import Config
from abreast.errors import ConfigError, first_line
from abreast.metrics.batched import BatchedMetric
from abreast.metrics.registry import lookup
from abreast.metrics.request import SCORES, MetricRequest
from abreast.metrics.requested import nodes, requested


def build_metrics(cfg: Config, classes: int, outputs: int) -> dict[str, MetricRequest]:
    """Make the metrics that a configuration asks for; those that every epoch measures anyway are left out.

    Args:
        cfg: The run's configuration.
        classes: The number of classes; 0 for regression.
        outputs: Scores that the network gives for one input.

    Raises:
        ConfigError: A metric refuses its arguments, or does not measure such data; the message names it.
    """
    requested(cfg)
    requests = {}
    for name, node in nodes(cfg).items():
        metric = lookup(name)
        if metric is None or metric.on_request or metric.test_only:
            requests[name] = _build(name, node, classes, outputs)
    return requests


def _build(name: str, node: Config, classes: int, outputs: int) -> MetricRequest:
    key, target = f"metrics.{name}", str(node["_target_"])
    arguments = {k: value for k, value in node.items() if k not in names(MetricKeys)}
    try:
        takes = set(inspect.signature(hydra.utils.get_object(target)).parameters)
    except (TypeError, ValueError):
        takes = set()
    filled = {"num_classes": classes} if classes and node.get("num_classes") is None else {}
    metric = make(key, arguments, **{k: value for k, value in filled.items() if k in takes})
    if not isinstance(metric, Metric):
        raise ConfigError(f"{key}: {target} is a {type(metric).__name__}, not a torchmetrics.Metric")
    scores = node.get("scores") or _scores(metric, classes)
    if scores == "positive" and classes != 2:
        what = f"{classes} classes" if classes else "no classes"
        raise ConfigError(
            f"{key}: {target} is given the probability of the second of two classes, but the data have "
            f"{what}; take a Multiclass metric, or another {key}.scores"
        )
    if not classes and scores != "logits":
        raise ConfigError(f"{key}.scores: {scores} is for classification; for regression write null")
    request = MetricRequest(metric, scores)
    _try(key, target, request, classes, outputs)
    return request


def _scores(metric: Metric, classes: int) -> str:
    """What a metric is given, where the configuration does not say."""
    if not classes:
        return "logits"
    if isinstance(metric, BatchedMetric):
        return metric.takes
    return "positive" if type(metric).__name__.startswith("Binary") else "probs"


def _try(key: str, target: str, request: MetricRequest, classes: int, outputs: int) -> None:
    """Measure a few examples: what does not fit is found before training."""
    scores, targets = _examples(classes, outputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric = request.make()
            request.update(metric, scores, targets, None)
            value = metric.compute()
    except Exception as error:
        given = f"{request.scores} {list(SCORES[request.scores](scores).shape)}" if classes else "predictions"
        raise ConfigError(
            f"{key}: {target} cannot measure {given} and targets {list(targets.shape)}: {first_line(error)}"
        ) from error
    is_number = isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.numel() == 1)
    by_target = isinstance(value, Tensor) and not classes and value.shape == (outputs,)
    if not is_number and not by_target:
        shape = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ConfigError(
            f"{key}: {target} gives {shape}, and a metric here is one number a stage; where it has the "
            f"argument, write {key}.average=macro"
        )


def _examples(classes: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Scores and targets, each class twice; no random generator is used."""
    rows = max(2 * classes, 8)
    scores = torch.linspace(-2, 2, rows * outputs).sin().mul(7).reshape(rows, outputs)
    if classes:
        return scores, torch.arange(rows) % classes
    return scores, scores * 0.5 + torch.linspace(0, 1, rows)[:, None]
