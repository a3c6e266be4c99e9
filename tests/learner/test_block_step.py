"""A block of mini-batches does to the weights exactly what ordinary Lightning does."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from abreast.build.steps import BLOCK_TRAINER, why_no_blocks
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.helpers import compose, options, same
from support.optimizers import optimizers
from support.small_runs import UNEVEN


def check_equal(train: Callable[..., Path], *overrides: str, steps: int = 4) -> None:
    ordinary = train(*UNEVEN, *overrides, "steps_per_execution=1", name="ordinary")
    block = train(*UNEVEN, *overrides, f"steps_per_execution={steps}", name="block")
    for name in ("best.ckpt", "last.ckpt"):
        one, many = load(ordinary / "checkpoints" / name), load(block / "checkpoints" / name)
        for key in ("state_dict", "optimizer_states", "global_step", "epoch"):
            assert same(one[key], many[key]), f"{name}: {key} differs"
    rows, others = (RunDirectory(run).read_metrics() for run in (ordinary, block))
    drop = "seconds"
    assert [{**row, drop: 0} for row in rows] == [{**row, drop: 0} for row in others]


@pytest.mark.parametrize("optim", optimizers())
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
        ("ema=0.9", "trainer.accumulate_grad_batches=2"),
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
        ("trainer.detect_anomaly=true",),
        ("trainer.log_every_n_steps=1", "+trainer.min_epochs=2", "trainer.deterministic=true"),
        (
            "trainer.limit_val_batches=0",
            "trainer.limit_test_batches=1",
            "checkpoint=last",
            "monitor=train/loss",
        ),
    ],
    ids=" ".join,
)
def test_what_the_trainer_does(overrides: tuple[str, ...], train: Callable[..., Path]) -> None:
    check_equal(train, *overrides)


@pytest.mark.parametrize("steps", [2, 9, 50])
def test_every_size_of_block(steps: int, train: Callable[..., Path]) -> None:
    check_equal(train, "optim=adam", "schedule=cosine", steps=steps)


SINGLE_STEPS = {
    "+trainer.val_check_interval=0.5": "counts single mini-batches",
    "+trainer.val_check_interval=1": "counts single mini-batches",
    "+trainer.overfit_batches=2": "counts single mini-batches",
    "+trainer.profiler=simple": "counts single mini-batches",
    "+trainer.max_time={minutes: 10}": "may end within a block",
    "+trainer.min_steps=3": "may count single mini-batches",
    "+trainer.reload_dataloaders_every_n_epochs=1": "may count single mini-batches",
    "trainer.precision=16-mixed": "loss scaling",
    "trainer.strategy=deepspeed": "in its own way",
    "+trainer.fast_dev_run=true": "counts single mini-batches",
}
BLOCKS = (
    *("+trainer.val_check_interval=1.0", "+trainer.overfit_batches=0.0", "+trainer.profiler=null"),
    *("+trainer.max_time=null", "+trainer.min_epochs=2", "+trainer.fast_dev_run=false", "trainer=ddp"),
    *("trainer.precision=32", "trainer.precision=bf16-mixed", "trainer=deterministic"),
)


@pytest.mark.parametrize("override", SINGLE_STEPS)
def test_flags_that_count_mini_batches(override: str) -> None:
    reason = why_no_blocks(compose("callbacks=none", override))
    assert reason is not None
    assert SINGLE_STEPS[override] in reason
    assert override.lstrip("+").partition("=")[0] in reason


@pytest.mark.parametrize("override", BLOCKS)
def test_flags_that_blocks_keep(override: str) -> None:
    assert why_no_blocks(compose("callbacks=none", override)) is None


@pytest.mark.parametrize("override", [key for key in SINGLE_STEPS if "min_" in key or "interval=0" in key])
def test_flags_left_to_lightning(override: str, train: Callable[..., Path]) -> None:
    check_equal(train, override)


def test_every_flag_of_the_trainer_is_decided() -> None:
    """A flag of another release of Lightning is left to it; those that the tables name exist."""
    assert BLOCK_TRAINER.keys() - {"_target_"} <= signature(Trainer).parameters.keys()
