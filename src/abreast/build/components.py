"""Config to objects: the only place that does so. Everything it calls takes plain values."""

from __future__ import annotations

import inspect
import logging
import math
from typing import Any

import hydra.utils
import torch
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from torch import nn

from abreast.build.sizing import check_norm, net_sizes, training_length
from abreast.callbacks import PreemptionCheckpoint, Progress, RunWriter, TestImages
from abreast.data.datamodule import DataModule
from abreast.data.source import Source
from abreast.errors import AbreastError, ConfigError
from abreast.learner.block_step import StepConfig
from abreast.learner.checkpoint_io import AtomicCheckpointIO
from abreast.learner.data_spec import DataSpec
from abreast.learner.module import Learner
from abreast.learner.schedule import Schedule
from abreast.losses import Loss
from abreast.metrics.objective import monitor
from abreast.runs.directory import RunDirectory
from abreast.runs.files import LAST

Config = dict[str, Any]
log = logging.getLogger(__name__)

LOADER_KEYS = (
    "batch_size",
    "eval_batch_size",
    "val_fraction",
    "split_seed",
    "label_noise",
    "normalize",
    "shuffle",
)
REFUSALS = (ValueError, TypeError, AssertionError, RuntimeError, ImportError, MisconfigurationException)
BATCH_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
KNOWN_CALLBACKS = (Progress, TestImages, RunWriter, EarlyStopping, LearningRateMonitor)


def make(key: str, node: Config, **more: Any) -> Any:
    """What the node's `_target_` gives. Raises ConfigError, which names `key`, where the target refuses."""
    try:
        return hydra.utils.instantiate(node, _convert_="all", **more)
    except AbreastError:
        raise
    except Exception as error:  # Hydra wraps some kinds of errors and hands others on
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if isinstance(cause, AbreastError):
            raise cause from None
        if isinstance(cause, REFUSALS) or (key == "model" and cause is not None):
            raise ConfigError(f"{key}: {node['_target_']}: {cause}") from error
        raise


def build_data(cfg: Config, steps: int = 1) -> DataModule:
    """The data of the config, loaded and split."""
    node = dict(cfg["data"])
    task = node.pop("task")
    loader = {key: node.pop(key) for key in LOADER_KEYS if key in node}
    source = make("data", node)
    if not isinstance(source, Source):
        raise ConfigError(f"data: {node['_target_']} returned {type(source).__name__}, not an abreast Source")
    if (task == "classification") != bool(source.classes):
        raise ConfigError(f"data.task={task}, but {node['_target_']} gives {len(source.classes)} classes")
    return DataModule(
        source,
        **loader,
        seed=cfg["seed"],
        steps=steps,
        limits={part: cfg["trainer"].get(f"limit_{part}_batches") for part in ("train", "val", "test")},
        ignore_index=ignore_index(cfg),
    )


def ignore_index(cfg: Config) -> int | None:
    """The label that the configured loss passes over. Raises ConfigError where the data mark another."""
    value = cfg["loss"]["criterion"].get("ignore_index")
    marked = cfg["data"].get("ignore_index")
    if marked is not None and marked != value:
        raise ConfigError(
            f"data.ignore_index={marked}, but loss.criterion.ignore_index={value}: set both to the label "
            "that marks rows without a class, with a loss that has the key (cross_entropy, nll)"
        )
    return None if value is None else int(value)


def build_net(cfg: Config, in_shape: tuple[int, ...], out_features: int) -> nn.Module:
    """The network, its sizes following the data, its weights drawn from the run's seed."""
    sizes = net_sizes(cfg["model"], in_shape, out_features)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg["seed"])
        net = make("model", cfg["model"], **sizes)
    if not isinstance(net, nn.Module):
        raise ConfigError(f"model: {cfg['model']['_target_']} is no torch.nn.Module")
    return net


def build_loss(cfg: Config, out_features: int, ignores: bool = True) -> Loss:
    """The loss, for as many scores as the network gives; `ignores` False where no label is to be ignored."""
    node = dict(cfg["loss"])
    criterion = dict(node.pop("criterion"))
    tensors = {
        key: torch.tensor(criterion.pop(key), dtype=torch.float32)
        for key in ("weight", "pos_weight")
        if isinstance(criterion.get(key), list)
    }
    made = make("loss.criterion", criterion, **tensors)
    facts: Config = {"outputs": out_features, "task": cfg["data"]["task"], "ignores": ignores}
    loss = make("loss", node, criterion=made, check_labels=False, **facts)
    assert isinstance(loss, Loss)
    return loss


def build_learner(
    cfg: Config, data: DataModule, stepping: StepConfig | None, parts: dict[str, Any] | None = None
) -> Learner:
    """The network with loss, optimizer and schedule. What they refuse is found here, before training.

    Learners that are built with one `parts` share losses and optimizer factories; a `net` in it is taken.
    """
    parts = {} if parts is None else parts
    net = parts.pop("net", None) or build_net(cfg, data.in_shape, data.out_features)
    if cfg.get("compile"):
        net.compile()  # in place: the names in its state stay
    key = f"loss: {cfg['loss']}"
    if key not in parts:
        parts[key] = build_loss(cfg, data.out_features, data.ignores)
    loss = parts[key]
    key = f"optim: {cfg['optim']}"
    if key not in parts:
        parts[key] = make("optim", cfg["optim"])
    optimizer = parts[key]
    trainer = cfg["trainer"]
    steps = math.ceil(data.batches_per_epoch / trainer.get("accumulate_grad_batches", 1))
    total, epochs = training_length(trainer, steps)
    _check_validated(cfg, epochs)
    check_norm(net, len(data.train), data.batch_size)
    schedule = build_schedule(cfg, total, epochs)
    try:
        tried = optimizer([*net.parameters()])
        if schedule is not None:
            schedule.make(tried)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"optim or schedule: {cfg['optim']['_target_']}: {error}") from error
    return Learner(
        net,
        loss,
        DataSpec(data.in_shape, data.out_features, data.classes, data.peak, data.mean, data.std),
        optimizer,
        schedule,
        step_config=stepping,
        total_steps=total,
        log_every=trainer.get("log_every_n_steps", 50),
    )


def _check_validated(cfg: Config, epochs: int) -> None:
    watched = monitor(cfg)
    every = cfg["trainer"].get("check_val_every_n_epoch") or 1
    if watched is not None and watched[0].startswith("val/") and 0 < epochs < every:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={every}, but the training ends in epoch {epochs}: {watched[0]} "
            "would never be measured. Validate more often, train for longer, or set monitor=train/loss"
        )


def build_schedule(cfg: Config, total_steps: int, total_epochs: int) -> Schedule | None:
    """The learning-rate schedule, told how long the training is where it asks."""
    node = cfg["schedule"]
    if node["scheduler"] is None:
        return None
    lengths = {"total_steps": total_steps, "total_epochs": total_epochs}
    accepted = inspect.signature(hydra.utils.get_object(node["scheduler"]["_target_"])).parameters
    lengths = {k: v for k, v in lengths.items() if k in accepted and k not in node["scheduler"]}
    scheduler = make("schedule.scheduler", node["scheduler"], **lengths)
    return Schedule(scheduler, node["interval"], node["monitor"])


def build_callbacks(cfg: Config, directory: RunDirectory) -> list[Callback]:
    """The configured callbacks, the checkpoints and the run directory's writer."""
    watched = monitor(cfg)
    callbacks: list[Callback] = [RunWriter(directory), PreemptionCheckpoint(directory.checkpoints / LAST)]
    for name, node in cfg["callbacks"].items():
        more = {}
        if "monitor" in node and node["monitor"] is None and watched is not None:
            more = {"monitor": watched[0], "mode": watched[1]}
        callbacks.append(make(f"callbacks.{name}", node, **more))
    kept: Config = {"dirpath": directory.checkpoints, "enable_version_counter": False}
    if watched is None or cfg["data"]["val_fraction"] == 0:  # nothing tells epochs apart: the last is best
        options: Config = {"filename": "best", "save_last": True, "save_on_train_epoch_end": True}
        return [*callbacks, ModelCheckpoint(**kept, **options)]
    best = ModelCheckpoint(filename="best", monitor=watched[0], mode=watched[1], **kept)
    last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **kept)
    return [*callbacks, best, last]


def build_loggers(cfg: Config, directory: RunDirectory) -> list[Logger]:
    """The configured loggers, writing into the run directory."""
    return [
        make(f"logger.{name}", node, **({} if "save_dir" in node else {"save_dir": str(directory.path)}))
        for name, node in cfg["logger"].items()
    ]


def build_step_config(cfg: Config) -> tuple[StepConfig | None, int]:
    """How mini-batches are executed: the block's stepping and size, or None and 1 for ordinary Lightning.

    What a block can't do is said with its reason, and done the ordinary way.
    """
    trainer = cfg["trainer"]
    accumulate = trainer.get("accumulate_grad_batches", 1)
    steps = cfg["steps_per_execution"]
    if steps == 1:
        return None, 1
    reason = _why_ordinary(cfg)
    if reason is not None:
        log.info("steps_per_execution is 1 for this run: %s", reason)
        return None, 1
    steps = max(1, steps // accumulate) * accumulate
    algorithm = trainer.get("gradient_clip_algorithm") or "norm"
    return StepConfig(accumulate, trainer.get("gradient_clip_val"), algorithm), steps


def _why_ordinary(cfg: Config) -> str | None:
    trainer = cfg["trainer"]
    if str(trainer.get("precision", "")).startswith("16") or trainer.get("precision") == 16:
        return "float16 needs the loss scaling of Lightning's own step"
    for key in ("val_check_interval", "profiler", "overfit_batches", "fast_dev_run"):
        if trainer.get(key) not in (None, 1.0, 0, False):
            return f"trainer.{key} counts single mini-batches"
    if trainer.get("strategy", "auto") not in ("auto", "ddp"):
        return f"trainer.strategy={trainer['strategy']} has an optimizer step of its own"
    for name, node in cfg["callbacks"].items():
        kind = hydra.utils.get_object(node["_target_"])
        if isinstance(kind, type) and issubclass(kind, Callback) and not issubclass(kind, KNOWN_CALLBACKS):
            hooks = [hook for hook in BATCH_HOOKS if getattr(kind, hook) is not getattr(Callback, hook)]
            if hooks:
                return f"callbacks.{name} has a hook for single mini-batches ({', '.join(hooks)})"
    return None


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
    if learner.step_config is not None:  # done inside the block
        for key in ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"):
            node.pop(key, None)
    # Lightning warns where its own interval is longer than an epoch; the learner keeps the configured one.
    node["log_every_n_steps"] = max(1, min(learner.log_every, blocks))
    trainer = make(
        "trainer",
        node,
        logger=build_loggers(cfg, directory),
        callbacks=build_callbacks(cfg, directory),
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(directory.path),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    assert isinstance(trainer, Trainer)
    return trainer
