"""Every kind of data in a stack: each lane, of whatever split, is its plain run, bitwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abreast.stacking.grouping import plan
from support.helpers import compose

Both = Callable[..., list[tuple[Path, Path]]]
Check = Callable[[Path, Path], None]
COMMON = (
    "trainer=cpu",
    "logger=none",
    "callbacks=none",
    "trainer.max_epochs=2",
    "model.hidden=[8]",
    "data.batch_size=16",
    "steps_per_execution=4",
)
SPLITS = (
    ("data.split_seed=0",),
    ("data.split_seed=2", "seed=1"),
    ("data.folds=3", "data.fold=1"),
)


def each(*data: str) -> list[dict[str, Any]]:
    """Runs of several splits."""
    return [compose(*COMMON, *data, *split) for split in SPLITS]


@pytest.mark.parametrize(
    "data",
    [
        ("data=sklearn", "data.name=wine", "data.label_noise=0.2"),
        ("data=sklearn", "data.name=diabetes", "loss=mse"),
        ("data=sklearn", "data.augment={noise:0.3}"),
        ("data=digits", "data.augment={flip:0.5,rotate:10,scale:0.1,shift:1,noise:0.1}"),
    ],
    ids=" ".join,
)
def test_lanes_equal_their_plain_runs(data: tuple[str, ...], both: Both, check: Check) -> None:
    runs = each(*data)
    assert len(plan(runs).stacks) == 1
    for lane, plain in both(runs):
        check(lane, plain)


def test_lanes_of_one_split_equal_their_plain_runs(both: Both, check: Check) -> None:
    common = (*COMMON, "data=sklearn", "data.name=iris", "trainer.limit_train_batches=4")
    for lane, plain in both([compose(*common, "seed=1"), compose(*common, "optim=sgd")]):
        check(lane, plain)
