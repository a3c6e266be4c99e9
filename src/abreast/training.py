"""A run: build, fit, test, and leave the run directory behind."""

from __future__ import annotations

from abreast import lean  # noqa: F401  before anything imports Lightning

# isort: split
import logging
import math
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

import torch
from lightning.pytorch import Trainer

from abreast import __version__, checkpoint
from abreast.build import (
    Config,
    build_data,
    build_learner,
    build_stepping,
    build_trainer,
    monitor,
)
from abreast.checkpoint import AtomicCheckpointIO
from abreast.data.datamodule import DataModule
from abreast.errors import ConfigError
from abreast.hyperparameters import log_hyperparameters
from abreast.module import Learner
from abreast.precision import matmul_precision
from abreast.ranks import ranks_to_start, start_ranks
from abreast.results import Json, RunDirectory
from abreast.seeding import derive, seed_everything
from abreast.summary import print_summary

log = logging.getLogger(__name__)

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "numpy")


def run(cfg: Config, run_dir: Path) -> float:
    """Train, test and record the run that the plain config describes, over as many processes as it says.

    Returns the tested epoch's value of the monitored metric, for sweepers. What goes wrong is recorded in
    the run directory and raised; DivergedError where the training loss did not stay finite.
    """
    directory = RunDirectory(run_dir)
    if (run_dir / "status.json").exists():
        raise ConfigError(
            f"{run_dir} holds a run already: choose another directory (hydra.run.dir=...) or remove that one"
        )
    directory.write_config(cfg)
    directory.write_status("running")
    with status_kept(directory):
        ranks = ranks_to_start(cfg)
        if ranks > 1:
            start_ranks(directory, ranks)
        else:
            train(cfg, directory)
    return objective(cfg, directory.read_result()["metrics"])


@contextmanager
def status_kept(directory: RunDirectory) -> Iterator[None]:
    """Write to the run's status how what is done inside ends."""
    try:
        yield
    except KeyboardInterrupt:
        directory.write_status("interrupted", reason="interrupted from the keyboard")
        raise
    except BaseException as error:
        directory.write_failure(error)
        raise
    directory.write_status("finished")


def objective(cfg: Config, metrics: dict[str, float]) -> float:
    """What a sweeper compares runs by: the monitored metric, or without validation the training loss."""
    watched = monitor(cfg)
    return float(metrics[watched[0] if watched else "train/loss"])


def worst(cfg: Config) -> float:
    """The worst value that `objective` can have: a diverged run's."""
    watched = monitor(cfg)
    if watched is None or watched[1] == "min":
        return math.inf
    return 0.0 if watched[0].endswith("accuracy") else -math.inf


def prepare(cfg: Config) -> None:
    """Set up this process for a run: threads' denormals, random streams, quiet libraries."""
    torch.set_flush_denormal(True)  # one collapsed network would stall every product it is in
    if not torch.cuda.is_available():
        # Lightning turns this check on; without a driver each optimizer step then looks for one again.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    for name in ("lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()  # else everything is printed twice under Hydra
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    # lightning 2.6.6 asks torch 2.14 for a class that is deprecated there.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    seed_everything(cfg["seed"])


def train(cfg: Config, directory: RunDirectory) -> None:
    """Build, fit and test in this process, alone or as one rank of several."""
    began = time.perf_counter()
    prepare(cfg)
    stepping, steps = build_stepping(cfg)
    data = build_data(cfg, steps)
    learner = build_learner(cfg, data, stepping)
    trainer = build_trainer(cfg, directory, learner, math.ceil(data.batches_per_epoch / steps))
    torch.manual_seed(derive(cfg["seed"], "dropout", trainer.global_rank))
    with matmul_precision(cfg.get("matmul_precision")):
        _fit(trainer, learner, data)
        file = _test(cfg, directory, trainer, learner, data)
    if trainer.is_global_zero:
        result = result_of(cfg, directory, data, learner, file)
        result["seconds"] = round(time.perf_counter() - began, 3)
        directory.write_result(result)
        log_hyperparameters(trainer, cfg, result)
        print_summary(directory.path, result)


def _fit(trainer: Trainer, learner: Learner, data: DataModule) -> None:
    try:
        trainer.fit(learner, datamodule=data)
    except SystemExit:  # Lightning's own end after Ctrl-C
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        saved = trainer.strategy.checkpoint_io
        if isinstance(saved, AtomicCheckpointIO):
            saved.flush()


def _test(cfg: Config, directory: RunDirectory, trainer: Trainer, learner: Learner, data: DataModule) -> Path:
    """Test the checkpoint that the config chooses; its file."""
    file = load_chosen(cfg, directory, learner)
    trainer.test(learner, datamodule=data, verbose=False)
    return file


def load_chosen(cfg: Config, directory: RunDirectory, learner: Learner) -> Path:
    """Give the learner the weights that the config wants tested; the file they are from."""
    file = directory.checkpoints / f"{cfg['checkpoint']}.ckpt"
    if not file.exists():
        file = directory.checkpoints / "last.ckpt"
    learner.load_state_dict(checkpoint.weights(file))
    return file


def result_of(cfg: Config, directory: RunDirectory, data: DataModule, learner: Learner, file: Path) -> Json:
    """The content of result.json, `seconds` excepted, for weights loaded from `file` and tested."""
    epoch = int(checkpoint.load(file)["epoch"]) + 1
    row = next(row for row in directory.read_metrics() if row["epoch"] == epoch)
    metrics = {name: value for name, value in row.items() if "/" in name}
    test = {name: value for name, value in learner.values.items() if name.startswith("test/")}
    return {
        "status": "finished",
        "seed": cfg["seed"],
        "task": cfg["data"]["task"],
        "metrics": {**metrics, **test},
        "seconds": 0.0,
        "epoch": epoch,
        "step": int(row["step"]),
        "checkpoint": file.name,
        "parameters": sum(p.numel() for p in learner.net.parameters()),
        "rows": {part: len(getattr(data, part).targets) for part in ("train", "val", "test")},
        "facts": data.facts,
        "classes": list(data.classes),
        "confusion": learner.confusion,
        "versions": dict(versions()),
    }


@cache
def versions() -> dict[str, str]:
    """What the run was made with."""
    return {
        "abreast": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
    }
