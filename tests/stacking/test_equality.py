"""A lane's weights, metrics and checkpoints are its plain run's, to the bit."""

from __future__ import annotations

import pytest

from abreast.models.blocks import ACTIVATIONS
from abreast.runs.directory import RunDirectory
from support.helpers import options
from support.optimizers import STACKED
from support.stacks import Both, Check, Configs

LOSSES = options("loss")
METRICS = ("auroc", "balanced_accuracy", "brier", "ece", "macro_f1", "top5")
KAPPA = "torchmetrics.classification.MulticlassCohenKappa"
MIXED = (
    ("optim=adam", "seed=0"),
    ("optim=adam", "seed=1", "loss=mse"),
    ("optim=momentum", "seed=2", "loss=hinge", "optim.lr=0.03"),
    ("optim=adam", "seed=4", "loss.criterion.ignore_index=3"),
    ("optim=rmsprop", "seed=3", "loss=nll", "loss.criterion.weight=[1,1,1,1,1,2,2,2,0.5,0]"),
)
SWEPT = tuple((f"seed={seed}", f"optim.lr={lr}") for lr in (0.01, 0.1) for seed in range(2))


def test_every_optimizer_and_loss_in_one_stack(configs: Configs, both: Both, check: Check) -> None:
    each = [
        (f"optim={optim}", f"seed={seed}", f"loss={LOSSES[(2 * number + seed) % len(LOSSES)]}")
        for number, optim in enumerate(STACKED)
        for seed in range(2)
    ]
    assert {loss for _, _, loss in each} == {f"loss={loss}" for loss in LOSSES}
    for lane, plain in both(configs((), *each)):
        check(lane, plain)
        assert RunDirectory(lane).read_status() == {"status": "finished"}


def test_every_loss_in_one_stack(configs: Configs, both: Both, check: Check) -> None:
    for lane, plain in both(configs(("optim=adam",), *[(f"loss={loss}",) for loss in LOSSES])):
        check(lane, plain)


@pytest.mark.parametrize(
    "common",
    [
        ("model=linear",),
        ("model.norm=batch",),
        ("model.norm=batch", "model.hidden=[16,32]"),
        ("model.norm=layer",),
        ("model.dropout=0.5",),
        ("model.dropout=0.2", "model.norm=batch", "model.hidden=[32,16]"),
        ("model.bias=false", "model.init=orthogonal"),
        ("data.batch_size=7", "model.dropout=0.3"),
        ("data.batch_size=32", "model.hidden=[]"),
        ("trainer.max_steps=14",),
        ("trainer.limit_train_batches=5",),
        ("trainer.check_val_every_n_epoch=2",),
        ("data.val_fraction=0", "checkpoint=last"),
        ("steps_per_execution=50",),
        ("checkpoint=last", "monitor=val/loss"),
        ("trainer.log_every_n_steps=3", "logger=tensorboard", "callbacks=default"),
        (f"metrics=[{','.join(METRICS)}]", f"+metrics.test_kappa._target_={KAPPA}", "monitor=val/auroc"),
    ],
    ids=" ".join,
)
def test_every_kind_of_run(common: tuple[str, ...], configs: Configs, both: Both, check: Check) -> None:
    for lane, plain in both(configs(common, *MIXED)):
        check(lane, plain)
        names = [sorted(p.name.split(".")[0] for p in run.rglob("*")) for run in (lane, plain)]
        assert names[0] == names[1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", ["[12]", pytest.param("[32]", marks=pytest.mark.long)])
def test_every_activation(activation: str, hidden: str, configs: Configs, both: Both, check: Check) -> None:
    overrides = (f"model.activation={activation}", f"model.hidden={hidden}")
    for lane, plain in both(configs(overrides, *SWEPT)):
        check(lane, plain)


@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule(schedule: str, configs: Configs, both: Both, check: Check) -> None:
    more = ("schedule.scheduler.patience=0",) if schedule == "plateau" else ()
    for lane, plain in both(configs((f"schedule={schedule}", "optim=momentum", *more), *SWEPT)):
        check(lane, plain)


def test_clipping_is_by_lane(configs: Configs, both: Both, check: Check) -> None:
    each = [
        ("trainer.gradient_clip_val=0.1", "seed=0"),
        ("trainer.gradient_clip_val=0.1", "seed=1"),
        ("trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value"),
        ("trainer.gradient_clip_val=1.0", "optim=muon"),
        ("seed=3",),
    ]
    for lane, plain in both(configs((), *each)):
        check(lane, plain)


def test_averages_are_by_lane(configs: Configs, both: Both, check: Check) -> None:
    each = [
        ("ema=0.9", "seed=0"),
        ("ema=0.9", "seed=1", "optim=lion"),
        ("ema=0.5", "optim=momentum", "schedule=cosine"),
        ("seed=2",),
    ]
    for lane, plain in both(configs(("model.norm=batch",), *each)):
        check(lane, plain)


def test_regression(configs: Configs, both: Both, check: Check) -> None:
    each = [(f"loss={loss}", f"seed={seed}") for loss in ("mse", "l1", "huber") for seed in range(2)]
    for lane, plain in both(configs(("data=random_regression", "data.size=150", "data.outputs=1"), *each)):
        check(lane, plain)


def test_metrics_of_regression(configs: Configs, both: Both, check: Check) -> None:
    common = ("data=random_regression", "data.size=150", "loss=mse", "metrics=rmse", "monitor=val/rmse")
    for lane, plain in both(configs(common, ("seed=0",), ("seed=1",))):
        check(lane, plain)
        assert RunDirectory(lane).read_result()["metrics"]["test/rmse"] > 0


def test_chunks_and_threads_change_nothing(configs: Configs, both: Both, check: Check) -> None:
    for lane, plain in both(configs(("model.dropout=0.1",), *MIXED), chunk_lanes=2, threads=2):
        check(lane, plain)
