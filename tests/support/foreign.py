"""Runs as other libraries write them: `python -m support.foreign KIND FOLDER`, with KIND's library installed.

The stored samples in tests/report/readers/samples were written by it, with the versions that their names say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

EPOCHS, SEEDS = 2, 3


def plan() -> Iterator[tuple[dict[str, Any], list[float], float]]:
    """Settings, the validation accuracy of each epoch, and the test accuracy of each run."""
    for optimizer, lift in (("adam", 0.02), ("sgd", 0.0)):
        for seed in range(SEEDS):
            noise = 0.001 * (seed * seed % 5) + 0.0005 * seed * lift
            curve = [0.80 + lift + noise + 0.01 * epoch for epoch in range(EPOCHS)]
            yield {"optimizer": optimizer, "lr": 0.1, "seed": seed}, curve, 0.79 + lift + noise


def write_tensorboard(folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for settings, curve, test in plan():
        writer: Any = SummaryWriter(folder / f"{settings['optimizer']}_{settings['seed']}")
        for step, value in enumerate(curve):
            writer.add_scalar("Accuracy/val", value, step)
        writer.add_hparams(settings, {"hparam/test_acc": test}, run_name="hparams")
        writer.close()


def write_lightning(folder: Path) -> None:
    from lightning.pytorch.loggers import CSVLogger

    for settings, curve, test in plan():
        logger = CSVLogger(str(folder), name="runs")
        logger.log_hyperparams(settings)
        for step, value in enumerate(curve):
            logger.log_metrics({"train_loss": 1.0 / (step + 1), "epoch": step}, step=step)
            logger.log_metrics({"val_acc": value, "epoch": step}, step=step)
        logger.log_metrics({"test_acc": test, "epoch": EPOCHS}, step=EPOCHS)
        logger.finalize("success")


def write_mlflow(folder: Path, uri: str = "") -> None:
    mlflow: Any = import_module("mlflow")
    mlflow.set_tracking_uri(uri or f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("demo", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("demo")
    for settings, curve, test in plan():
        with mlflow.start_run(run_name=f"{settings['optimizer']}-{settings['seed']}"):
            mlflow.log_params(settings)
            for step, value in enumerate(curve):
                mlflow.log_metric("val_acc", value, step=step)
            mlflow.log_metric("test_acc", test)


def write_mlflow_files(folder: Path) -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # without it, MLflow 3 writes databases alone
    write_mlflow(folder, (folder / "mlruns").as_uri())


def write_wandb(folder: Path) -> None:
    wandb: Any = import_module("wandb")
    folder.mkdir(parents=True, exist_ok=True)
    console = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True)
    for settings, curve, test in plan():
        with wandb.init(project="demo", mode="offline", dir=folder, config=settings, settings=console) as run:
            for value in curve:
                run.log({"val/acc": value})
            run.summary["test/acc"] = test


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "tensorboard": ("tensorboard", write_tensorboard),
    "lightning": ("lightning", write_lightning),
    "mlflow database": ("mlflow", write_mlflow),
    "mlflow files": ("mlflow", write_mlflow_files),
    "wandb": ("wandb", write_wandb),
}

if __name__ == "__main__":
    WRITERS[sys.argv[1]][1](Path(sys.argv[2]).absolute())
