"""The LightningModule that measures: a network, its loss and the metrics of each stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from abreast.config.types import Config
from abreast.data.columns import to_json
from abreast.data.loader import Batch, Block, batches
from abreast.errors import DivergedError
from abreast.learner.attribute_state import ATTRIBUTES, AttributeState
from abreast.learner.data_spec import DataSpec
from abreast.learner.network_state import load_state
from abreast.learner.normalize import Normalize
from abreast.losses import Loss
from abreast.metrics.request import MetricRequest
from abreast.metrics.stage import StageMetrics


class Evaluator(LightningModule):
    """A network with its loss, ready to validate, to test and to predict; `Learner` adds its training.

    Args:
        net: Takes normalised inputs `[B, *net_shape]`, gives raw scores `[B, out_features]`.
        loss: Takes raw scores and targets, gives their mean loss.
        data: Shape and meaning of the data.
        metrics: What is measured beside the usual metrics, by name.
        saves_attributes: Whether attributes of the network that change are part of its state.

    Attributes:
        values: The last epoch's metrics by name (`train/loss`), after a test also the test's.
        confusion: The test's confusion matrix, `confusion[label][prediction]`.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        data: DataSpec,
        metrics: Mapping[str, MetricRequest] | None = None,
        *,
        saves_attributes: bool = False,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(data.mean, data.std, data.projection)
        self.net = net
        self.loss = loss
        self.in_shape = data.in_shape
        self.net_shape = data.net_shape
        self.out_features = data.out_features
        self.classes = classes = data.classes
        self.peak = data.peak
        self.columns = data.columns
        self.target_scale = data.target_scale
        ignored = loss.ignore_index
        self.train_metrics = StageMetrics(classes, ignore_index=ignored, requested=metrics)
        self.val_metrics = StageMetrics(classes, ignore_index=ignored, requested=metrics)
        self.test_metrics = StageMetrics(classes, ignore_index=ignored, full=True, requested=metrics)
        self.values: dict[str, float] = {}
        self.confusion: list[list[int]] | None = None
        self.attribute_state = AttributeState(net) if saves_attributes else None
        self._validated_at = -1  # the optimizer step

    def description(self) -> Config:
        """What checkpoints say of the weights: how to use them without the data, and their validation.

        `validation` is empty where these weights were not validated: in an epoch without a validation, or
        after the last one within an epoch.
        """
        is_validated = self._validated_at == self.trainer.global_step
        validation = {k: v for k, v in self.values.items() if is_validated and k.startswith("val/")}
        description: Config = {
            "in_shape": list(self.in_shape),
            "out_features": self.out_features,
            "classes": list(self.classes),
            "peak": self.peak,
            "validation": validation,
        }
        if self.columns:
            description["columns"] = to_json(self.columns)
        if self.target_scale:
            description["target_scale"] = [list(scale) for scale in self.target_scale]
        return description

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """Weights and buffers, with the network's attributes that have changed."""
        state = super().state_dict(*args, **options)
        changed = self.attribute_state.changed(self.net) if self.attribute_state is not None else {}
        if changed:
            state[ATTRIBUTES] = changed
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load what `state_dict` returned. What a network leaves out of its state stays as it was built.

        Raises:
            RunError: It is the state of another network.
        """
        return load_state(self, state_dict, self.net, self.attribute_state, assign=assign)

    def forward(self, inputs: Tensor) -> Tensor:
        """Raw scores `[B, out_features]` of inputs `[B, *in_shape]` as stored."""
        scores: Tensor = self.net(self.normalize(inputs))
        return scores

    def batch_loss(self, batch: Batch, metrics: StageMetrics | None) -> Tensor:
        """The mean loss of a mini-batch, a 0-d tensor; counted in `metrics`, unless None."""
        inputs, targets = batch
        scores, criterion = self.forward(inputs), self.loss
        loss: Tensor = criterion(scores, targets)
        if metrics is not None:
            labels = criterion.labels(targets) if criterion.mixed else targets
            metrics.update(loss, criterion.weight(targets), scores, labels)
        return loss

    def _end_stage(self, stage: str, metrics: StageMetrics) -> None:
        if self.trainer.world_size > 1:
            metrics.take_part(self.out_features, cast(torch.dtype, self.dtype), self.device)
        self.record(stage, metrics.compute())

    def record(self, stage: str, metrics: dict[str, Tensor]) -> None:
        """Keep a stage's metrics, and show them to the callbacks that monitor one.

        Args:
            stage: `train`, `val` or `test`.
            metrics: 0-d tensors by name, without the stage; `confusion` may be among them, `[C, C]`.

        Raises:
            DivergedError: The stage's loss is not finite.
        """
        if stage == "val":
            self._validated_at = self.trainer.global_step
        confusion = metrics.pop("confusion", None)
        tensors = {f"{stage}/{name}": value for name, value in metrics.items()}
        if not tensors[f"{stage}/loss"].isfinite():
            raise DivergedError(self.trainer.global_step)
        self.trainer.callback_metrics.update(tensors)
        values = {name: _shortest(value.item()) for name, value in tensors.items()}
        self.values.update({name: value for name, value in values.items() if math.isfinite(value)})
        if confusion is not None:
            self.confusion = confusion.tolist()
            shares = (confusion.diagonal() / confusion.sum(1)).tolist()  # nan for a class without examples
            of_class = zip(self.classes, map(_shortest, shares), strict=True)
            known = {name: share for name, share in of_class if math.isfinite(share)}
            self.values |= {f"{stage}/accuracy/{name}": share for name, share in known.items()}

    def validation_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure validation examples."""
        for mini_batch in batches(batch):
            self.batch_loss(mini_batch, self.val_metrics)

    def on_validation_epoch_end(self) -> None:
        """Record the validation's metrics."""
        self._end_stage("val", self.val_metrics)

    def test_step(self, batch: Batch | Block, batch_idx: int) -> None:
        """Measure test examples."""
        for mini_batch in batches(batch):
            self.batch_loss(mini_batch, self.test_metrics)

    def on_test_epoch_end(self) -> None:
        """Record the test's metrics."""
        self._end_stage("test", self.test_metrics)


def _shortest(value: float) -> float:
    """The shortest decimal that float32 can tell apart: 0.9833333, not 0.9833333492279053."""
    return float(f"{value:.7g}")
