"""The ways to train a sweep that `bench_sweep.py` compares: each gives its seconds a run."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abreast.runtime import fast_import  # noqa: F401  # isort: skip  first: it makes Lightning's import lean
import torch
from hydra.utils import execution_whitelist
from joblib import Parallel, delayed
from lightning.pytorch import Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset

from abreast.build.components import build_net
from abreast.build.data import build_data
from abreast.stacking.build import Job
from abreast.stacking.grouping import plan
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from abreast.training.run import run
from bench_common import WHITELIST, Idiomatic, composed

Sweep = Sequence[dict[str, Any]]

RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01)
NETS: dict[str, tuple[str, ...]] = {
    "digits": ("data=digits", "model.hidden=[32]", "data.batch_size=32"),
    "mnist": ("model.hidden=[256]", "data.batch_size=128"),
    "batch_norm": ("model.hidden=[64,128,64]", "model.norm=batch", "data.batch_size=128"),
    "wide": ("model.hidden=[800]", "data.batch_size=64"),
}


def configs(net: str, lanes: int, epochs: int, *more: str) -> list[dict[str, Any]]:
    """A sweep of 8 learning rates, and as many seeds as it takes."""
    overrides = ["trainer=cpu", "logger=none", "callbacks=none", f"trainer.max_epochs={epochs}", *NETS[net]]
    overrides += more
    if "data=digits" not in overrides:
        folder = os.environ.get("ABREAST_DATA")
        shaped = ["data=random", "data.size=60000", "data.features=784"]
        overrides += ["data=mnist", f"data.dir={folder}"] if folder else shaped
    base = json.dumps(composed(*overrides))
    configs = []
    for lane in range(lanes):
        config = json.loads(base)
        config["seed"], config["optim"]["lr"] = lane // len(RATES), RATES[lane % len(RATES)]
        configs.append(config)
    return configs


def stacked(sweep: Sweep, folder: Path, **options: Any) -> float:
    """All together, as the launcher does it."""
    began = time.perf_counter()
    with execution_whitelist(WHITELIST):
        planned = plan(sweep)
        for lanes in [*planned.stacks, *planned.individual.values()]:
            outcomes = train_stack([Job(sweep[n], folder / str(n)) for n in lanes], Options(**options))
            failed = [outcome for outcome in outcomes if outcome.value is None]
            assert not failed, failed[0]
    return (time.perf_counter() - began) / len(sweep)


def opted_in(sweep: Sweep, folder: Path) -> float:
    """All together, with coarser matrix products and shared batches."""
    coarse = [{**config, "matmul_precision": "bf16"} for config in sweep]
    return stacked(coarse, folder, shared_batches=True)


def plain(sweep: Sweep, folder: Path) -> float:
    """Runs of abreast, one after the other in this process."""
    began = time.perf_counter()
    with execution_whitelist(WHITELIST):
        for number, config in enumerate(sweep):
            run(config, folder / str(number))
    return (time.perf_counter() - began) / len(sweep)


def _part(sweep: Sweep, folder: Path) -> None:
    """What one of two processes does, with one thread and nobody to print for."""
    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as nothing:
        sys.stdout = nothing
        plain(sweep, folder)
        sys.stdout = sys.__stdout__


def two_processes(sweep: Sweep, folder: Path, processes: Parallel) -> float:
    """Runs of abreast in two processes, which were started before, of one thread each."""
    began = time.perf_counter()
    processes(delayed(_part)(sweep[part::2], folder / str(part)) for part in range(2))
    return (time.perf_counter() - began) / len(sweep)


def idiomatic(sweep: Sweep, folder: Path) -> float:
    """DataLoader and `Idiomatic`, one run after the other in this process."""
    began = time.perf_counter()
    for config in sweep:
        seed_everything(config["seed"], verbose=False)
        with execution_whitelist(WHITELIST):
            data = build_data(config)
            net = build_net(config, data.in_shape, data.out_features)
        sets = [
            TensorDataset((split.inputs.float() - data.mean) / data.std, split.targets)
            for split in (data.train, data.val, data.test)
        ]
        train = DataLoader(sets[0], batch_size=data.batch_size, shuffle=True)
        others = [DataLoader(dataset, batch_size=1024) for dataset in sets[1:]]
        trainer = Trainer(
            max_epochs=config["trainer"]["max_epochs"],
            accelerator="cpu",
            default_root_dir=str(folder),
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        module = Idiomatic(net, config["optim"]["lr"], len(data.classes))
        trainer.fit(module, train, others[0])
        trainer.test(module, others[1], verbose=False)
    return (time.perf_counter() - began) / len(sweep)
