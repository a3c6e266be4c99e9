"""Idiomatic Lightning, for `gpu_arms.py`."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy


class Idiomatic(LightningModule):
    """As Lightning's and torchmetrics' documentation write it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.accuracy = MulticlassAccuracy(10, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """A step."""
        inputs, targets = batch
        scores = self.net(inputs)
        loss = cross_entropy(scores, targets)
        self.accuracy(scores, targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("train/accuracy", self.accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters())


def trained(
    net: nn.Module, rows: tuple[Tensor, Tensor], batch: int, batches: int, device: str, folder: Path
) -> None:
    """Train an epoch of so many mini-batches."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Trainer(
            max_epochs=1,
            limit_train_batches=batches,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            default_root_dir=folder,
            enable_model_summary=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            logger=False,
        ).fit(Idiomatic(net), DataLoader(TensorDataset(*rows), batch_size=batch, shuffle=True))
