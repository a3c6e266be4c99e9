"""Lightning's Trainer with the run's callbacks and loggers."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    DeviceStatsMonitor,
    ModelCheckpoint,
    ProgressBar,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import Logger

from abreast.build.instantiate import Factories, make
from abreast.callbacks import PreemptionCheckpoint, RunWriter
from abreast.config.callbacks import why_unsupported
from abreast.config.run_config import entries
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.learner.checkpoint_io import AtomicCheckpointIO
from abreast.learner.module import Learner
from abreast.loggers.run_logger import flush_loggers
from abreast.metrics.objective import monitor
from abreast.runs.directory import RunDirectory
from abreast.runs.files import LAST

# What Lightning leaves to abreast, in every Trainer.
OWN_WORK: Config = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
}

TRACKERS = ("abreast.loggers.MLflow", "abreast.loggers.Wandb")  # they keep an id in the run's directory

log = logging.getLogger(__name__)

SWA_IS_NOT_SAVED = (
    "StochasticWeightAveraging puts its averages into the network when training ends, after the last "
    "checkpoint, and it is a checkpoint that is tested; the averages of EMAWeightAveraging and "
    "WeightAveraging are saved"
)


def build_callbacks(
    cfg: Config, directory: RunDirectory, factories: Factories | None = None
) -> list[Callback]:
    """The configured callbacks, the checkpoints and the run directory's writer."""
    factories = factories or Factories()
    monitored = monitor(cfg)
    callbacks: list[Callback] = [RunWriter(directory), PreemptionCheckpoint(directory.checkpoints / LAST)]
    for name, node in entries(cfg, "callbacks").items():
        more: Config = {}
        if "monitor" in node and node["monitor"] is None and monitored is not None:
            more = {"monitor": monitored[0], "mode": monitored[1]}
        callback = factories.make(f"callbacks.{name}", node, **more)
        kind, *parents = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(callback).__mro__)
        reason = why_unsupported(kind, parents)
        if reason is not None:
            raise ConfigError(f"callbacks.{name}: {reason}")
        if isinstance(callback, StochasticWeightAveraging):
            log.warning("callbacks.%s: %s", name, SWA_IS_NOT_SAVED)
        callbacks.append(callback)
    files: Config = {"dirpath": directory.checkpoints, "enable_version_counter": False}
    if monitored is None or cfg["data"]["val_fraction"] == 0:  # no epoch can be preferred: the last is best
        options: Config = {"filename": "best", "save_last": True, "save_on_train_epoch_end": True}
        return [*callbacks, ModelCheckpoint(**files, **options)]
    best = ModelCheckpoint(filename="best", monitor=monitored[0], mode=monitored[1], **files)
    last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **files)
    return [*callbacks, best, last]


def build_loggers(cfg: Config, directory: RunDirectory, factories: Factories | None = None) -> list[Logger]:
    """The configured loggers, writing into the run directory."""
    factories, folder = factories or Factories(), str(directory.path)
    loggers = []
    for name, node in entries(cfg, "logger").items():
        more = {} if "save_dir" in node else {"save_dir": folder}
        if node["_target_"] in TRACKERS:
            more["run_dir"] = folder
        loggers.append(factories.make(f"logger.{name}", node, **more))
    return loggers


def trainer_node(cfg: Config) -> Config:
    """The Trainer's arguments without the limits, which the loaders count in mini-batches."""
    node = dict(cfg["trainer"])
    limits = [node.pop(f"limit_{part}_batches", None) for part in ("train", "val", "test")]
    if cfg["data"]["val_fraction"] == 0 or limits[1] == 0:
        node["limit_val_batches"] = 0
    return node


def build_trainer(cfg: Config, directory: RunDirectory, learner: Learner, blocks: int) -> Trainer:
    """Lightning's Trainer, writing into the run directory."""
    node = trainer_node(cfg)
    if node.get("fast_dev_run"):
        raise ConfigError("trainer.fast_dev_run leaves no checkpoint to test: use debug=fast")
    if learner.step_config is not None:  # the block does these itself
        for key in ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"):
            node.pop(key, None)
    # Lightning warns where its own interval is longer than an epoch; the learner keeps the configured one.
    node["log_every_n_steps"] = max(1, min(learner.log_every, blocks))
    callbacks = build_callbacks(cfg, directory)
    loggers = build_loggers(cfg, directory)
    shows_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    trainer = make(
        "trainer",
        node,
        logger=loggers,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(before=lambda: flush_loggers(loggers))],
        default_root_dir=str(directory.path),
        **{**OWN_WORK, "enable_progress_bar": shows_bar},
    )
    assert isinstance(trainer, Trainer)
    _check_device_stats(trainer)
    return trainer


def _check_device_stats(trainer: Trainer) -> None:
    """Raise ConfigError where the statistics of the CPU are asked for without the package that reads them."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        if not isinstance(callback, DeviceStatsMonitor) or find_spec("psutil") is not None:
            continue
        on_cpu = trainer.strategy.root_device.type == "cpu"
        if callback._cpu_stats or (callback._cpu_stats is None and on_cpu):
            raise ConfigError(
                "DeviceStatsMonitor reads the CPU through psutil, which is not installed: "
                "pip install psutil, or give it cpu_stats: false"
            )
