"""A run: build, fit, test, and leave the run directory behind."""

from __future__ import annotations

from abreast.runtime import fast_import  # noqa: F401  before anything imports Lightning
from abreast.runtime.user_path import resume_argument

# isort: split
import logging
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer

from abreast.build.changed_data import check_same_data
from abreast.build.components import build_learner
from abreast.build.data import build_data
from abreast.build.steps import build_step_config
from abreast.build.trainer import build_trainer
from abreast.callbacks import RunWriter
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.errors import ConfigError, DivergedError, Interrupted, disk_error
from abreast.learner.checkpoint import resume_point_or_clear
from abreast.learner.module import Learner
from abreast.learner.shared_norm import share_norms
from abreast.loggers.run_logger import loggers_closed
from abreast.metrics.objective import objective
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, LAST, STATUS
from abreast.runs.replaced import clear
from abreast.runs.state import failed_before_training
from abreast.runs.summary import chance_warnings, print_summary
from abreast.runtime.device_assert import device_asserts_told
from abreast.runtime.directory_lock import used
from abreast.runtime.matmul_precision import matmul_precision
from abreast.runtime.process import prepare_process
from abreast.runtime.seeding import derive, seed_everything
from abreast.training.devices import check_devices
from abreast.training.external_ranks import shared, started_before
from abreast.training.final_barrier import final_barrier
from abreast.training.finish import finish, read_chosen
from abreast.training.fit import ctrl_c_raised, fit
from abreast.training.ranks import ranks_to_start, start_ranks
from abreast.training.record import start_record
from abreast.training.refusal import unchanged_if_refused

log = logging.getLogger(__name__)


def run(cfg: Config, run_dir: Path) -> float:
    """Train, test and record the run that the plain config describes, over as many processes as it says.

    What goes wrong is recorded in the run directory and raised.

    Args:
        cfg: The resolved configuration, plain data.
        run_dir: The run's directory, which must hold no run yet.

    Returns:
        The tested epoch's value of the monitored metric, for sweepers.

    Raises:
        ConfigError: The configuration is invalid, or the directory holds a run already.
        DivergedError: The training loss did not stay finite.
        Interrupted: A signal stopped the run, which can be resumed.
    """
    before = started_before(run_dir, cfg)
    if before is not None:
        return _resume_after_lost_rank(cfg, RunDirectory(before))
    return _run(cfg, RunDirectory(run_dir), is_new=True)


def resume(cfg: Config, directory: RunDirectory) -> float:
    """Train and test the run in the directory, from its last checkpoint; else as `run`."""
    return _run(cfg, directory, is_new=False)


def resume_or_restart(cfg: Config, directory: RunDirectory) -> float:
    """As `resume`; where the directory holds something broken, the run restarts from scratch."""
    resume_point_or_clear(directory)
    return resume(cfg, directory)


def _resume_after_lost_rank(cfg: Config, directory: RunDirectory) -> float:
    """Resume after torchrun has started all ranks again; a run that has ended stays as it is."""
    status = directory.read_status()
    if status["status"] == "finished":
        return objective(cfg, directory.read_result()["metrics"])
    if "diverged_at" in status:
        raise DivergedError(status["diverged_at"])
    return resume(cfg, directory)


def _run(cfg: Config, directory: RunDirectory, *, is_new: bool) -> float:
    with _resume_command_told(directory), used(directory.path), _refusal(directory, is_new):
        if is_new and failed_before_training(directory):
            clear(directory.path)
        elif is_new and (directory.path / STATUS).exists():
            raise ConfigError(
                f"{directory.path} holds a run already: resume it ({resume_argument(directory.path)}), "
                "choose another directory (hydra.run.dir=...) or remove that one"
            )
        check_devices(cfg)
        if is_new and (directory.checkpoints / LAST).exists():  # of a run whose status was lost
            clear(directory.path)
        directory.write_config(cfg)
        with _status_kept(directory):
            ranks = ranks_to_start(cfg)
            if ranks > 1:
                start_ranks(directory, ranks, cfg)
            else:
                with shared(cfg, directory) as shared_cfg:
                    train(shared_cfg, directory)
    return objective(cfg, directory.read_result()["metrics"])


def _refusal(directory: RunDirectory, is_new: bool) -> AbstractContextManager[None]:
    """What a refusal of the run leaves: of a new run, the reason as its status."""
    return nullcontext() if is_new else unchanged_if_refused(directory)


@contextmanager
def _resume_command_told(directory: RunDirectory) -> Iterator[None]:
    """Tell how to resume what a signal or a full disk has stopped."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        log.info("Stopped. To resume: python train.py %s", resume_argument(directory.path))
        raise
    except OSError as error:
        full = disk_error(error, directory.path)
        if full is None or not (directory.path / CONFIG).exists():
            raise
        full.args = (f"{full}, then resume: python train.py {resume_argument(directory.path)}",)
        raise full from error


@contextmanager
def _status_kept(directory: RunDirectory) -> Iterator[None]:
    """Write to the run's status how what is done inside ends."""
    directory.write_status("running")
    try:
        yield
        directory.write_status("finished")
    except BaseException as error:
        directory.note_failure(error)  # unless a rank that failed first has said why
        raise


def train(cfg: Config, directory: RunDirectory) -> None:
    """Build, fit and test in this process, alone or as one rank of several.

    From a checkpoint the run continues bitwise identically; what came after it is made again.

    Args:
        cfg: The resolved configuration, for the devices of this machine.
        directory: The run's directory, which holds its configuration.
    """
    began = time.perf_counter()
    prepare_process()
    seed_everything(cfg["seed"])
    step_config, steps = build_step_config(cfg)
    data = build_data(cfg, steps)
    check_same_data(directory, data.content)
    learner = build_learner(cfg, data, step_config)
    trainer = build_trainer(cfg, directory, learner, math.ceil(data.batches_per_epoch / steps))
    with device_asserts_told(), loggers_closed(trainer.loggers):
        _fit_and_test(cfg, directory, trainer, learner, data, began)


def _fit_and_test(
    cfg: Config, directory: RunDirectory, trainer: Trainer, learner: Learner, data: DataModule, began: float
) -> None:
    torch.manual_seed(derive(cfg["seed"], "dropout", trainer.global_rank))
    if trainer.world_size > 1:
        share_norms(learner.net)
    record = start_record(trainer, cfg)
    with matmul_precision(cfg.get("matmul_precision")), final_barrier(trainer.world_size):
        fit(trainer, learner, data, directory)
        chosen = read_chosen(directory, cfg["checkpoint"])
        learner.load_state_dict(chosen.weights)
        if chosen.lack_validation(data):
            learner.values = {}
            with ctrl_c_raised(trainer):
                trainer.validate(learner, datamodule=data, verbose=False)
        if cfg.get("test", True):
            with ctrl_c_raised(trainer):
                trainer.test(learner, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        writer = next(callback for callback in callbacks if isinstance(callback, RunWriter))
        seconds = writer.before + time.perf_counter() - began
        result = finish(trainer, learner, data, directory, cfg, chosen, record, seconds=seconds)
        warnings = chance_warnings(dict(result), _named_settings(cfg), _curve(directory))
        print_summary(directory.path, dict(result), warnings)


def _named_settings(cfg: Config) -> dict[str, object]:
    """What a warning can name as a cause: the loss, the optimizer and its learning rate."""
    names = cfg.get("names") or {}
    return {**{key: names.get(key) for key in ("loss", "optim")}, "optim.lr": cfg["optim"].get("lr")}


def _curve(directory: RunDirectory) -> dict[str, list[float]]:
    rows = directory.read_metrics()
    return {
        name: [row[name] for row in rows if name in row]
        for name in ("train/loss", "train/accuracy", "train/r2")
    }
