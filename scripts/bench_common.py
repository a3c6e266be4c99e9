"""What benchmarks share: configurations, idiomatic Lightning, a stack to step by hand, ratios and targets."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.runtime import fast_import  # noqa: F401  # isort: skip  first: it makes Lightning's import lean
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch import LightningModule
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from abreast.build.steps import build_step_config
from abreast.config.options import MAIN, conf_dir
from abreast.runs.directory import RunDirectory
from abreast.runtime.seeding import seed_everything
from abreast.stacking.build import Job, LaneBuilder
from abreast.stacking.compaction import build_chunks
from abreast.stacking.grouping import plan
from abreast.stacking.layout import choose_layout
from abreast.stacking.module import Stack
from abreast.stacking.network_size import network_size
from abreast.stacking.split_data import SplitData

WHITELIST = ["abreast.*", "torch.*", "lightning.*"]


def composed(*overrides: str) -> dict[str, Any]:
    """The resolved configuration of a run with these overrides."""
    with initialize_config_dir(str(conf_dir())):
        config = compose(MAIN, overrides=list(overrides))
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


class Idiomatic(LightningModule):
    """As Lightning's and torchmetrics' guides write it: torchmetrics, `self.log`, a progress bar, Adam."""

    def __init__(self, net: nn.Module, lr: float = 1e-3, classes: int = 10) -> None:
        super().__init__()
        self.net, self.lr = net, lr
        self.measures = nn.ModuleDict(
            {f"{stage}_": MulticlassAccuracy(classes) for stage in ("train", "val", "test")}
        )

    def _step(self, batch: tuple[Tensor, Tensor], stage: str) -> Tensor:
        inputs, targets = batch
        scores = self.net(inputs)
        loss = cross_entropy(scores, targets)
        measure: Any = self.measures[f"{stage}_"]
        measure(scores, targets)
        self.log(f"{stage}/loss", loss, prog_bar=True, on_step=False, on_epoch=True)
        self.log(f"{stage}/accuracy", measure, prog_bar=True, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """A step."""
        return self._step(batch, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """A batch."""
        self._step(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """A batch."""
        self._step(batch, "test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def built_stack(
    sweep: Sequence[dict[str, Any]], folder: Path, *, shared_batches: bool = False, **trainer: object
) -> Stack:
    """A stack of the sweep's runs on one thread, without their callbacks.

    Args:
        sweep: The runs' configurations.
        folder: Where they write.
        shared_batches: Whether lanes of one seed share their mini-batches.
        trainer: Keys of the Trainer's configuration that the data follow, such as `limit_train_batches`.
    """
    seed_everything(sweep[0]["seed"])
    _, steps = build_step_config(sweep[0])
    limited = {**sweep[0], "trainer": {**sweep[0]["trainer"], **trainer}}
    order = plan(sweep).stacks[0] if len(sweep) > 1 else [0]
    builder = LaneBuilder(SplitData(limited, steps, shared=False), len(sweep))
    jobs = [Job(sweep[number], folder / str(number)) for number in order]
    lanes = [builder.build(number, job, RunDirectory(job.directory)) for number, job in enumerate(jobs)]
    for lane in lanes:
        lane.callbacks = []
    learner = lanes[0].learner
    size = network_size(learner.net, learner.net_shape)
    layout = choose_layout(size, lanes[0].data.batch_size, threads=1, shared_batches=shared_batches)
    return Stack(lanes, build_chunks(lanes, layout), layout)


def ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Of what was measured in one turn: the median, the lowest and the highest."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def machine() -> dict[str, Any]:
    """What measured, for a file of figures."""
    return {"python": platform.python_version(), "torch": torch.__version__, "cores": os.cpu_count()}


def print_targets(met: Mapping[str, bool]) -> None:
    """Print which targets are met."""
    for line, is_met in met.items():
        print(f"{'met' if is_met else 'NOT met':8s} {line}")
