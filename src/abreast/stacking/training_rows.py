"""The rows that the lanes of a stack train on: in memory once, however many splits the lanes have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from abreast.data.datamodule import DataModule
from abreast.data.loader import epoch_order
from abreast.data.source import Split, Subset

Moved = dict[int, tuple[Tensor, Tensor]]  # by the original's id; it keeps the originals alive


def move_to_device(modules: Iterable[DataModule], trainer: Trainer, moved: Moved | None = None) -> None:
    """Move all examples to the trainer's device; rows that data modules share stay shared.

    Args:
        modules: The data.
        trainer: Lightning's Trainer.
        moved: What was moved before; more is added.
    """
    device, convert = trainer.strategy.root_device, trainer.precision_plugin.convert_input
    moved = {} if moved is None else moved

    def to(tensor: Tensor) -> Tensor:
        if id(tensor) not in moved:
            moved[id(tensor)] = tensor, convert(tensor.to(device))
        return moved[id(tensor)][1]

    for module in modules:
        module.trainer = trainer
        module.move(to)


class LaneOrder(NamedTuple):
    """What the order of a lane's mini-batches follows from: its data, its seed and its epoch, from 0."""

    data: DataModule
    seed: int
    epoch: int


class TrainingRows:
    """The rows of one data set, and which of them each lane trains on in an epoch.

    Args:
        modules: The data modules of all lanes, whose training examples are subsets of the same rows, or one
            data module that has its own.

    Attributes:
        inputs: Inputs `[N, *shape]`.
        targets: Targets `[N]`; with label noise `[P * N]`, a copy for each of P data modules, whose labels
            are replaced in different places.
    """

    def __init__(self, modules: Sequence[DataModule]) -> None:
        train = modules[0].train
        rows = train.rows if isinstance(train, Subset) else train
        self.inputs, self.targets = rows.inputs, rows.targets
        self._targets_from: dict[DataModule, int] = {}
        if not all(_has_targets_of(module.train, rows) for module in modules):
            self._targets_from = {module: number * len(rows) for number, module in enumerate(modules)}
            self.targets = torch.cat([_all_targets(module.train, rows) for module in modules])

    def orders(self, lanes: Sequence[LaneOrder]) -> Tensor:
        """The rows of the lanes' mini-batches, one after the other: int64 `[K, examples]`.

        Args:
            lanes: What each lane's order follows from.

        Returns:
            Positions in `inputs`. What is beyond the end of a lane's epoch, where another's is longer, has no
            meaning.
        """
        by_lane: dict[LaneOrder, Tensor] = {}
        for lane in lanes:
            if lane not in by_lane:
                module = lane.data
                order = epoch_order(len(module.train), lane.seed, lane.epoch)[: module.examples_per_epoch]
                by_lane[lane] = _positions(module.train, order.to(self.inputs.device))
        return pad_sequence([by_lane[lane] for lane in lanes], batch_first=True)

    def target_offsets(self, modules: Sequence[DataModule]) -> Tensor | None:
        """What each lane adds to positions in `inputs` for those in `targets`, int64 `[K, 1]`; None for 0."""
        if not self._targets_from:
            return None
        offsets = [[self._targets_from[module]] for module in modules]
        return torch.tensor(offsets, device=self.targets.device)


def _positions(train: Split, order: Tensor) -> Tensor:
    return train.indices.index_select(0, order) if isinstance(train, Subset) else order


def _has_targets_of(train: Split, rows: Split) -> bool:
    if not isinstance(train, Subset):
        return True
    return torch.equal(train.targets, rows.targets.index_select(0, train.indices))


def _all_targets(train: Split, rows: Split) -> Tensor:
    """The targets of all rows, with the subset's in its places."""
    assert isinstance(train, Subset)
    return rows.targets.index_copy(0, train.indices, train.targets)
