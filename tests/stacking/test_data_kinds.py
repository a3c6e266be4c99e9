"""Every kind of data in a stack: each lane, of whatever split, is its plain run, bitwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from abreast.stacking.grouping import plan
from support.helpers import compose
from support.stacks import Both, Check

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
        ("data=digits", "data.augment={flip:0.5,rotate:10,scale:0.1,shear:10,shift:1,noise:0.1}"),
        ("data=digits", "data.augment={mixup:0.4,cutmix:1.0}", "data.normalize=channels"),
        ("data=digits", "data.augment={mixup:0.4}", "loss.criterion.weight=[1,0,5,1,0.1,1,2,1,3,1]"),
        ("data=sklearn", "data.name=diabetes", "data.augment={mixup:0.4}", "loss=mse", "data.pca=3"),
        ("data=digits", "data.pca=7", "data.augment={mixup:0.4}", "loss=brier"),
    ],
    ids=" ".join,
)
def test_lanes_equal_their_plain_runs(data: tuple[str, ...], both: Both, check: Check) -> None:
    runs = each(*data)
    assert len(plan(runs).stacks) == 1
    for lane, plain in both(runs):
        check(lane, plain)


def test_lanes_of_one_split_equal_their_plain_runs(both: Both, check: Check) -> None:
    common = (*COMMON, "data=sklearn", "data.name=iris", "trainer.limit_train_batches=4", "data.pca=3")
    for lane, plain in both([compose(*common, "seed=1"), compose(*common, "optim=sgd")]):
        check(lane, plain)


def test_lanes_that_share_mini_batches_share_their_mixtures(both: Both) -> None:
    mixed = (
        "data=digits",
        "data.pca=5",
        "data.augment={mixup:0.4,cutmix:1.0}",
        "trainer.limit_train_batches=9",
    )
    runs = [compose(*COMMON, *mixed, *more) for more in (("seed=1",), ("seed=1", "loss=mse"), ("seed=2",))]
    for lane, plain in both(runs, shared_batches=True):
        weights = [torch.load(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (lane, plain)]
        for name, value in weights[0].items():
            torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-5)
