"""Idiomatic Lightning, for `gpu_arms.py`."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bench_common import Idiomatic


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
