"""1, 2 and 4 processes give the same weights and the same metrics."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.ranked import train_all
from support.references import once, session_folder

# 163 rows are trained on, in 5 mini-batches of 32 and one of 3: less than 4 ranks. 18 are validated on.
SMALL = ["data=random", "data.size=181", "data.test_size=101", "data.batch_size=32", "data.eval_batch_size=7"]
SMALL += ["trainer.max_epochs=2", "trainer.log_every_n_steps=1", "model.hidden=[16]", "optim=momentum"]
LOGGED = ["+logger.csv._target_=lightning.pytorch.loggers.CSVLogger", "+logger.csv.name=''"]
DOUBLE = "trainer.precision=64-true"  # sums of another order then differ by 1e-15
WEIGHTS = "loss.criterion.weight=[1,0,5,1,0.1,1,2,1,3,1]"
CASES = {
    "blocks": [DOUBLE, *LOGGED],
    "single steps": [DOUBLE, *LOGGED, "steps_per_execution=1"],
    "float32": [],
    "fewer rows than ranks": [DOUBLE, "data.batch_size=2", "data.size=50"],
    "fewer rows than ranks, singly": [DOUBLE, "data.batch_size=2", "data.size=50", "steps_per_execution=1"],
    "one row": [DOUBLE, "data.batch_size=1", "data.size=20", "data.test_size=1", "data.val_fraction=0.1"],
    "one row of a regression": [
        *(DOUBLE, "data=random_regression", "loss=mse", "data.batch_size=1", "data.size=20"),
        *("data.test_size=1", "steps_per_execution=1"),
    ],
    "regression": [DOUBLE, "data=random_regression", "data.outputs=3", "loss=huber"],
    "class weights": [DOUBLE, WEIGHTS],
    "class weights, singly": [DOUBLE, WEIGHTS, "data.batch_size=5", "steps_per_execution=1"],
    "ignored labels": [DOUBLE, "loss.criterion.ignore_index=3", "data.batch_size=5"],
    "ignored labels and weights": [DOUBLE, WEIGHTS, "loss.criterion.ignore_index=3", "data.batch_size=5"],
    "label smoothing": [DOUBLE, WEIGHTS, "loss.criterion.label_smoothing=0.1"],
    "margin": [DOUBLE, "loss=hinge"],
    "batch norm": [DOUBLE, "model.norm=batch"],
    "batch norm, singly": [DOUBLE, "model.norm=batch", "steps_per_execution=1"],
    "layer norm": [DOUBLE, "model.norm=layer"],
    "accumulated": [DOUBLE, "trainer.accumulate_grad_batches=2"],
    "accumulated, singly": [DOUBLE, "trainer.accumulate_grad_batches=2", "steps_per_execution=1"],
    "clipped": [DOUBLE, "trainer.gradient_clip_val=0.1"],
    "adam": [DOUBLE, "optim=adam"],
    "lbfgs": [DOUBLE, "optim=lbfgs", "optim.max_iter=5", "optim.lr=0.1"],
    "lbfgs, singly": [DOUBLE, "optim=lbfgs", "optim.max_iter=5", "optim.lr=0.1", "steps_per_execution=1"],
    "plateau": [DOUBLE, "schedule=plateau", "schedule.scheduler.patience=0"],
    "limits": [
        *(DOUBLE, "trainer.limit_train_batches=3", "trainer.limit_val_batches=1"),
        "trainer.limit_test_batches=2",
    ],
    "metrics": [
        *(DOUBLE, "metrics=[auroc,balanced_accuracy,brier,macro_f1,ece,top5]", "data.batch_size=2"),
        *("+metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa", "data.size=50"),
        *("data.val_fraction=0.05", "data.test_size=7"),
    ],
    "steps": [DOUBLE, "trainer.max_steps=8"],
    "augmented": [DOUBLE, "data.augment={noise:0.5,mixup:0.4}", "data.pca=5", "data.batch_size=5"],
    "mixed with class weights": [DOUBLE, WEIGHTS, "data.augment={mixup:0.4}", "data.batch_size=5"],
}
# Each case for two ranks; the cases where four are something else again also for four.
FOUR = ("blocks", "single steps", "fewer rows than ranks", "one row", "one row of a regression", "batch norm")
FOUR += ("class weights", "ignored labels and weights", "limits", "metrics")  # type: ignore[assignment]
ALL = [
    *(pytest.param(case, 2) for case in CASES),
    *(pytest.param(case, 4, marks=pytest.mark.long) for case in FOUR),
]
Trained = Callable[[int], Path]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Gives the folder of the run directories `<case>` that one, two or four processes have trained."""

    def folder_of(world: int) -> Path:
        def train(folder: Path) -> None:
            names = FOUR if world == 4 else CASES
            train_all({name: [*SMALL, *CASES[name]] for name in names}, folder, world)

        return once(session_folder(tmp_path_factory, f"ranks-{world}"), train)

    return folder_of


@pytest.mark.parametrize(("case", "world"), ALL)
def test_ranks_give_what_one_process_gives(case: str, world: int, trained: Trained) -> None:
    one, several = (RunDirectory(trained(count) / case) for count in (1, world))
    tolerance = 1e-9 if DOUBLE in CASES[case] else 1e-4
    for name in ("last.ckpt", "best.ckpt"):
        states = [load(run.checkpoints / name)["state_dict"] for run in (one, several)]
        assert states[0].keys() == states[1].keys()
        for key, value in states[0].items():
            torch.testing.assert_close(states[1][key], value, rtol=tolerance, atol=tolerance)
    # The metrics are float32 sums over the rows.
    rows = [run.read_metrics() for run in (one, several)]
    assert len(rows[0]) == len(rows[1]) > 0
    for row, other in zip(*rows, strict=True):
        for run in (row, other):
            del run["seconds"]
        assert other == pytest.approx(row, rel=1e-5, abs=1e-6)
    results = [run.read_result() for run in (one, several)]
    assert results[1]["metrics"] == pytest.approx(results[0]["metrics"], rel=1e-5, abs=1e-6)
    for key in ("confusion", "examples", "step", "epoch", "checkpoint", "parameters"):
        assert results[1][key] == results[0][key]


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.long)])
@pytest.mark.parametrize("case", ["blocks", "single steps"])
def test_the_losses_that_are_logged_are_of_the_whole_mini_batch(
    case: str, world: int, trained: Trained
) -> None:
    logged = []
    for count in (1, world):
        with (trained(count) / case / "version_0" / "metrics.csv").open() as file:
            logged.append([float(row["step/loss"]) for row in csv.DictReader(file) if row["step/loss"]])
    assert len(logged[0]) == 12
    assert logged[1] == pytest.approx(logged[0], rel=1e-6)
