"""A block of mini-batches does to the weights exactly what ordinary Lightning does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.helpers import options, same

SMALL = (
    "data=random",
    "data.size=150",  # 135 rows are trained on: eight batches of 16 and one of 7
    "data.test_size=50",
    "data.batch_size=16",
    "model.hidden=[12]",
    "trainer.max_epochs=3",
)


def check_equal(train: Callable[..., Path], *overrides: str, steps: int = 4) -> None:
    ordinary = train(*SMALL, *overrides, "steps_per_execution=1", name="ordinary")
    block = train(*SMALL, *overrides, f"steps_per_execution={steps}", name="block")
    for name in ("best.ckpt", "last.ckpt"):
        one, many = load(ordinary / "checkpoints" / name), load(block / "checkpoints" / name)
        for key in ("state_dict", "optimizer_states", "global_step", "epoch"):
            assert same(one[key], many[key]), f"{name}: {key} differs"
    rows, others = (RunDirectory(run).read_metrics() for run in (ordinary, block))
    drop = "seconds"
    assert [{**row, drop: 0} for row in rows] == [{**row, drop: 0} for row in others]


@pytest.mark.parametrize("optim", options("optim"))
def test_every_optimizer(optim: str, train: Callable[..., Path]) -> None:
    check_equal(train, f"optim={optim}")


@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule(schedule: str, train: Callable[..., Path]) -> None:
    more = ["schedule.scheduler.patience=0"] if schedule == "plateau" else []
    check_equal(train, f"schedule={schedule}", "optim=momentum", *more)


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer.gradient_clip_val=0.1",),
        ("trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value"),
        ("trainer.accumulate_grad_batches=2",),
        ("trainer.accumulate_grad_batches=3", "schedule=one_cycle"),
        ("model.dropout=0.5", "model.norm=batch"),
        ("trainer.precision=bf16-mixed",),
        ("trainer.precision=64-true",),
        ("trainer.max_steps=14",),
        ("trainer.limit_train_batches=5",),
        ("loss=mse", "optim=lbfgs", "optim.max_iter=3"),
        ("data=random_regression", "loss=huber"),
        ("data.val_fraction=0", "checkpoint=last"),
        ("trainer.check_val_every_n_epoch=2",),
    ],
    ids=" ".join,
)
def test_what_the_trainer_does(overrides: tuple[str, ...], train: Callable[..., Path]) -> None:
    check_equal(train, *overrides)


@pytest.mark.parametrize("steps", [2, 9, 50])
def test_every_size_of_block(steps: int, train: Callable[..., Path]) -> None:
    check_equal(train, "optim=adam", "schedule=cosine", steps=steps)
