"""A run: build, fit, test, and leave the run directory behind."""

from __future__ import annotations

from abreast.runs.atomic import remove_partial_files
from abreast.runs.files import CONFIG, EVENTS, LAST, STATUS
from abreast.runtime import fast_import  # noqa: F401  before anything imports Lightning
from abreast.runtime.directory_lock import locked

# isort: split
import logging
import math
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer

from abreast import __version__
from abreast.build.components import (
    Config,
    build_data,
    build_learner,
    build_stepping,
    build_trainer,
)
from abreast.callbacks import RunWriter
from abreast.config.types import Json
from abreast.data.datamodule import DataModule
from abreast.errors import AbreastError, ConfigError, DivergedError, Interrupted, RunError, disk_error
from abreast.learner import checkpoint
from abreast.learner.checkpoint import AtomicCheckpointIO
from abreast.learner.module import Learner
from abreast.learner.shared_norm import share_norms
from abreast.loggers.hyperparameters import log_hyperparameters
from abreast.loggers.tensorboard import TensorBoard
from abreast.metrics.objective import objective
from abreast.runs.directory import RunDirectory
from abreast.runs.summary import print_summary
from abreast.runtime.matmul_precision import matmul_precision
from abreast.runtime.process import prepare_process
from abreast.runtime.seeding import derive, seed_everything
from abreast.training.external_ranks import resumed, shared
from abreast.training.ranks import ranks_to_start, start_ranks
from abreast.training.worst_examples import write_worst_examples

log = logging.getLogger(__name__)

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "numpy")


def run(cfg: Config, run_dir: Path) -> float:
    """Train, test and record the run that the plain config describes, over as many processes as it says.

    Returns the tested epoch's value of the monitored metric, for sweepers. What goes wrong is recorded in
    the run directory and raised; DivergedError where the training loss did not stay finite.
    """
    before = resumed(run_dir, cfg)
    if before is not None:
        return _again(cfg, RunDirectory(before))
    return go_on(cfg, RunDirectory(run_dir), new=True)


def _again(cfg: Config, directory: RunDirectory) -> float:
    """Go on after a rank was lost; a run that is over stays so."""
    status = directory.read_status()
    if status["status"] == "finished":
        return objective(cfg, directory.read_result()["metrics"])
    if "diverged_at" in status:
        raise DivergedError(status["diverged_at"])
    return go_on(cfg, directory)


def take_up(cfg: Config, directory: RunDirectory) -> float:
    """Go on with a run of a sweep that is run again; it begins anew where what it left is broken."""
    checkpoint.place(directory)
    return go_on(cfg, directory)


def go_on(cfg: Config, directory: RunDirectory, *, new: bool = False) -> float:
    """Train and test the run that is in the directory, from where its last checkpoint stands; as `run`.

    Raises ConfigError where it is to be `new`, and is not.
    """
    with _told_how_to_go_on(directory), locked(directory.path):
        if new and (directory.path / STATUS).exists():
            raise ConfigError(
                f"{directory.path} holds a run already: go on with it (resume={directory.path}), choose "
                "another directory (hydra.run.dir=...) or remove that one"
            )
        directory.write_config(cfg)
        with status_kept(directory):
            ranks = ranks_to_start(cfg)
            if ranks > 1:
                start_ranks(directory, ranks)
            else:
                with shared(cfg, directory) as own:
                    train(own, directory)
    return objective(cfg, directory.read_result()["metrics"])


@contextmanager
def _told_how_to_go_on(directory: RunDirectory) -> Iterator[None]:
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        log.info("Stopped. To go on: python train.py resume=%s", directory.path)
        raise
    except OSError as error:
        full = disk_error(error, directory.path)
        if full is None or not (directory.path / CONFIG).exists():
            raise
        full.args = (f"{full}, then go on: python train.py resume={directory.path}",)
        raise full from error


@contextmanager
def status_kept(directory: RunDirectory) -> Iterator[None]:
    """Write to the run's status how what is done inside ends."""
    directory.write_status("running")
    try:
        yield
        directory.write_status("finished")
    except BaseException as error:
        directory.note_failure(error)  # unless a rank that failed first has said why
        raise


def prepare(cfg: Config) -> None:
    """Set up this process for a run: threads' denormals, memory, random streams, quiet libraries."""
    prepare_process()
    seed_everything(cfg["seed"])


def train(cfg: Config, directory: RunDirectory) -> None:
    """Build, fit and test in this process, alone or as one rank of several.

    A directory with a checkpoint is gone on with from there, to the bit; what came after it is made again.
    """
    began = time.perf_counter()
    prepare(cfg)
    stepping, steps = build_stepping(cfg)
    data = build_data(cfg, steps)
    learner = build_learner(cfg, data, stepping)
    trainer = build_trainer(cfg, directory, learner, math.ceil(data.batches_per_epoch / steps))
    torch.manual_seed(derive(cfg["seed"], "dropout", trainer.global_rank))
    if trainer.world_size > 1:
        share_norms(learner.net)
    with matmul_precision(cfg.get("matmul_precision")):
        _fit(trainer, learner, data, directory)
        file = load_chosen(cfg, directory, learner)
        if cfg.get("test", True):
            trainer.test(learner, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        result = result_of(cfg, directory, data, learner, file)
        watchers: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        recorder = next(each for each in watchers if isinstance(each, RunWriter))
        result["seconds"] = round(recorder.before + time.perf_counter() - began, 3)
        write_worst_examples(directory, learner, data.test)
        directory.write_result(result)
        log_hyperparameters(trainer, cfg, result)
        print_summary(directory.path, result)


def _fit(trainer: Trainer, learner: Learner, data: DataModule, directory: RunDirectory) -> None:
    last = directory.checkpoints / LAST
    begun = last.exists()
    if trainer.is_global_zero:
        remove_partial_files(directory.path)
        _clear(trainer, directory, checkpoint.load(last)["global_step"] if begun else None)
    try:
        trainer.fit(learner, datamodule=data, ckpt_path=last if begun else None, weights_only=True)
    except (Interrupted, AbreastError, OSError):
        raise
    except Exception as error:
        if begun and any("restore" in frame.name for frame in traceback.extract_tb(error.__traceback__)):
            reason = (str(error).splitlines() or [""])[0]
            raise RunError(
                f"{last}: not a checkpoint of this run ({type(error).__name__}: {reason})"
            ) from error
        raise
    except SystemExit:  # Lightning's own end after Ctrl-C
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        saved = trainer.strategy.checkpoint_io
        if isinstance(saved, AtomicCheckpointIO):
            saved.flush()


def _clear(trainer: Trainer, directory: RunDirectory, step: int | None) -> None:
    """Let the run's files hold nothing from after optimizer step `step`; None: nothing at all."""
    if step is None:
        for path in directory.path.glob(EVENTS):
            path.unlink()
        return
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            logger.forget_after(step)


def load_chosen(cfg: Config, directory: RunDirectory, learner: Learner) -> Path:
    """Give the learner the weights that the config wants tested; the file they are from."""
    file = directory.checkpoints / f"{cfg['checkpoint']}.ckpt"
    if not file.exists():
        file = directory.checkpoints / LAST
    learner.load_state_dict(checkpoint.weights(file))
    return file


def result_of(
    cfg: Config,
    directory: RunDirectory,
    data: DataModule,
    learner: Learner,
    file: Path,
    epoch: int | None = None,
) -> Json:
    """The content of result.json, `seconds` excepted, for weights of `file` (and its `epoch`), tested."""
    if epoch is None:
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
