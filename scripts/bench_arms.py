"""The arms of `bench_run.py`: each trains the same task and gives its seconds an epoch after the first."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from abreast.runtime import fast_import  # noqa: F401  # isort: skip  first: it makes Lightning's import lean
import torch
from hydra.utils import execution_whitelist
from lightning.pytorch import Callback, Trainer
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from abreast.build.components import build_net
from abreast.build.data import build_data
from abreast.data.datamodule import DataModule
from abreast.data.loader import epoch_order
from abreast.runs.directory import RunDirectory
from abreast.training.run import train
from bench_common import WHITELIST, Idiomatic, composed

BATCH = 128


@dataclass(frozen=True)
class Task:
    """What every arm trains: MNIST from `data`, the network's arguments, how long, and where to write.

    `batches` are those of an epoch, all of them if None.
    """

    data: str
    net: dict[str, Any]
    epochs: int
    folder: Path
    batches: int | None = None


def config(task: Task, *overrides: str) -> dict[str, Any]:
    """The task as a run's configuration."""
    return composed(
        "data=mnist",
        f"data.dir={task.data}",
        f"data.batch_size={BATCH}",
        f"model.hidden=[{','.join(map(str, task.net['hidden']))}]",
        f"model.norm={task.net['norm'] or 'null'}",
        f"trainer.max_epochs={task.epochs}",
        "trainer.accelerator=cpu",
        *([f"trainer.limit_train_batches={task.batches}"] if task.batches else []),
        *overrides,
    )


@cache
def rows(data: str) -> DataModule:
    """The data, shared by the arms that are loops."""
    with execution_whitelist(WHITELIST):
        return build_data(config(Task(data, {"hidden": [1], "norm": None}, 1, Path())))


def fresh(task: Task) -> nn.Module:
    """The network with the run's initial weights."""
    with execution_whitelist(WHITELIST):
        return build_net(config(task), (1, 28, 28), 10)


def by_hand(task: Task) -> float:
    """(a) What somebody who cares about speed writes without a framework."""
    data, net = rows(task.data), fresh(task)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    mean, scale = torch.tensor(data.mean), torch.tensor(1 / data.std)
    ends = []
    for epoch in range(task.epochs):
        net.train()
        losses, hits = [], torch.zeros(())
        for indices in torch.split(epoch_order(len(data.train), 0, epoch), BATCH)[: task.batches]:
            inputs = data.train.inputs.index_select(0, indices).sub(mean).mul_(scale)
            targets = data.train.targets.index_select(0, indices)
            scores = net(inputs)
            loss = cross_entropy(scores, targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
            hits += (scores.detach().argmax(1) == targets).sum()
        net.eval()
        with torch.inference_mode():
            right = torch.zeros(())
            parts = (torch.split(tensor, 1024) for tensor in (data.val.inputs, data.val.targets))
            for inputs, targets in zip(*parts, strict=True):
                right += (net(inputs.sub(mean).mul_(scale)).argmax(1) == targets).sum()
        float(torch.stack(losses).mean()), float(hits), float(right)
        ends.append(time.perf_counter())
    return per_epoch(ends)


def as_tutorials(task: Task) -> float:
    """(b) Float images, fancy indexing, Adam's defaults, `.item()` every step."""
    data, net = rows(task.data), fresh(task)
    inputs = (data.train.inputs.float() - data.mean) / data.std
    val_inputs = (data.val.inputs.float() - data.mean) / data.std
    targets, val_targets = data.train.targets, data.val.targets
    optimizer = torch.optim.Adam(net.parameters())
    ends = []
    for epoch in range(task.epochs):
        net.train()
        total, hits = 0.0, 0
        order = epoch_order(len(inputs), 0, epoch)
        for start in range(0, len(order), BATCH)[: task.batches]:
            indices = order[start : start + BATCH]
            x, y = inputs[indices], targets[indices]
            optimizer.zero_grad()
            scores = net(x)
            loss = cross_entropy(scores, y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item()
            hits += (scores.argmax(1) == y).sum().item()
        net.eval()
        right = 0
        with torch.no_grad():
            for start in range(0, len(val_inputs), BATCH):
                x, y = val_inputs[start : start + BATCH], val_targets[start : start + BATCH]
                right += (net(x).argmax(1) == y).sum().item()
        ends.append(time.perf_counter())
    return per_epoch(ends)


def ours(task: Task) -> float:
    """(c) A run with every default on: TensorBoard, metrics.csv, checkpoints, the bar in a terminal."""
    return _ours(task)


def ours_bare(task: Task) -> float:
    """(c-) A run without logger and bar; metrics.csv and checkpoints are always written."""
    return _ours(task, "logger=none", "callbacks=none")


def _ours(task: Task, *overrides: str) -> float:
    cfg = config(task, *overrides)
    directory = RunDirectory(task.folder)
    directory.write_config(cfg)
    with execution_whitelist(WHITELIST), terminal():
        train(cfg, directory)
    return per_epoch([row["seconds"] for row in directory.read_metrics()])


class EpochEnds(Callback):
    """Keeps the times at which epochs ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_end(self, *_: Any) -> None:
        """Keep the time."""
        self.times.append(time.perf_counter())


def idiomatic(task: Task) -> float:
    """(d) DataLoader, torchmetrics, `self.log`, the bar."""
    data = rows(task.data)
    scaled = [
        TensorDataset((split.inputs.float() - data.mean) / data.std, split.targets)
        for split in (data.train, data.val)
    ]
    ends = EpochEnds()
    with warnings.catch_warnings(), terminal():
        warnings.simplefilter("ignore")  # "does not have many workers": slower with them on two cores
        Trainer(
            max_epochs=task.epochs,
            limit_train_batches=task.batches,
            accelerator="cpu",
            default_root_dir=task.folder,
            enable_model_summary=False,
            callbacks=[ends],
        ).fit(
            Idiomatic(fresh(task)),
            DataLoader(scaled[0], batch_size=BATCH, shuffle=True),
            DataLoader(scaled[1], batch_size=BATCH),
        )
    return per_epoch(ends.times)


def per_epoch(ends: list[float]) -> float:
    """Seconds an epoch after the first, from the times at which epochs ended."""
    return (ends[-1] - ends[0]) / (len(ends) - 1)


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def terminal() -> Iterator[None]:
    """Output goes to a terminal that nobody reads, so that bars are drawn."""
    with Path(os.devnull).open("wb") as nothing:
        screen = _Terminal(nothing)
        with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
            yield
