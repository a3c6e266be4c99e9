"""Runs of plain Lightning, one after the other in one process, as `bench_end_to_end.py` compares them.

    python scripts/bench_plain_lightning.py RUNS FOLDER

Written with care: the data in memory, one thread, no progress bar, torchmetrics and `self.log` once an epoch,
TensorBoard, the best and the last checkpoint, a test of the best. The task is that of `bench_end_to_end.py`.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench_common import Idiomatic

RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03)
EPOCHS, HIDDEN, BATCH = 10, 256, 32


def datasets() -> list[TensorDataset]:
    """Digits: training, validation and test, normalized."""
    inputs, targets = load_digits(return_X_y=True)
    train, test = train_test_split(range(len(targets)), test_size=0.2, stratify=targets, random_state=0)
    train, val = train_test_split(train, test_size=0.1, stratify=targets[train], random_state=0)
    x, y = torch.from_numpy(inputs).float(), torch.from_numpy(targets)
    x = (x - x[train].mean()) / x[train].std()
    return [TensorDataset(x[part], y[part]) for part in (train, val, test)]


def run(number: int, folder: Path, parts: list[TensorDataset]) -> None:
    """Train and test one run."""
    seed_everything(number // len(RATES), verbose=False)
    net = nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    best = ModelCheckpoint(folder, monitor="val/accuracy", mode="max", save_last=True)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=TensorBoardLogger(folder, name="", version=""),
        callbacks=[best],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    module = Idiomatic(net, RATES[number % len(RATES)], 10)
    train, val, test = parts
    trainer.fit(module, DataLoader(train, BATCH, shuffle=True), DataLoader(val, 1024))
    trainer.test(module, DataLoader(test, 1024), ckpt_path=best.best_model_path, verbose=False)


def main(runs: int, folder: Path) -> None:
    """Train the runs."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parts = datasets()
    for number in range(runs):
        run(number, folder / str(number), parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
