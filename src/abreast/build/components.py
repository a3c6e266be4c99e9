"""The run's data, network, loss and schedule, and the learner that holds them."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import hydra.utils
import torch
from torch import nn
from torch.optim import Optimizer

from abreast.build.data import data_spec
from abreast.build.instantiate import make
from abreast.build.metrics import build_metrics
from abreast.build.sizing import check_norm, net_sizes, training_length
from abreast.build.step_graphs import build_step_graphs
from abreast.build.trial import check_network
from abreast.config.augmentation import mixing
from abreast.config.schema import OptimizerKeys, names
from abreast.config.targets import is_custom, is_custom_network, targets
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.errors import AbreastError, ConfigError
from abreast.learner.block_step import StepConfig
from abreast.learner.module import Learner
from abreast.learner.schedule import Schedule
from abreast.losses import Loss
from abreast.metrics.objective import monitor
from abreast.metrics.request import MetricRequest
from abreast.optim.step_needs import check_wrapped, needs_closure
from abreast.optim.weight_average import WeightAverage
from abreast.runtime.seeding import seeded

MakeOptimizer = Callable[[Any], Optimizer]


def build_net(cfg: Config, in_shape: tuple[int, ...], out_features: int) -> nn.Module:
    """Build the network; its weights are drawn from the run's seed.

    Args:
        cfg: The run's configuration.
        in_shape: Shape of one input, given to the network as far as it asks for it.
        out_features: Scores of one input, given likewise.
    """
    sizes = net_sizes(cfg["model"], in_shape, out_features)
    with seeded(cfg["seed"]):
        net = make("model", cfg["model"], **sizes)
    if not isinstance(net, nn.Module):
        raise ConfigError(f"model: {cfg['model']['_target_']} is not a torch.nn.Module")
    return net


def build_loss(
    cfg: Config, out_features: int, ignores: bool = True, class_counts: tuple[int, ...] | None = None
) -> Loss:
    """Build the loss.

    Args:
        cfg: The run's configuration.
        out_features: Scores that the network gives for one input.
        ignores: Whether any label of the data is the ignored one.
        class_counts: Training examples of each class, for a criterion that weighs them; None where its
            state, which has them, is loaded later.
    """
    node = dict(cfg["loss"])
    criterion = dict(node.pop("criterion"))
    if _wants_class_counts(cfg):
        criterion["class_counts"] = list(class_counts or [1] * out_features)
    tensors = {
        key: torch.tensor(criterion.pop(key), dtype=torch.float32)
        for key in ("weight", "pos_weight")
        if isinstance(criterion.get(key), list)
    }
    built = make("loss.criterion", criterion, **tensors)
    facts: Config = {"outputs": out_features, "task": cfg["data"]["task"], "ignores": ignores}
    if mixing(cfg["data"].get("augment")):
        facts["mixed"] = True
    loss = make("loss", node, criterion=built, check_labels=False, **facts)
    assert isinstance(loss, Loss)
    return loss


def _wants_class_counts(cfg: Config) -> bool:
    """Whether the criterion takes the class counts of the training split: a key of it that is null."""
    return cfg["loss"]["criterion"].get("class_counts", 0) is None


def _class_counts(cfg: Config, data: DataModule) -> tuple[int, ...] | None:
    """Training examples of each class, where the criterion takes them."""
    if not data.classes or not _wants_class_counts(cfg):
        return None
    return tuple(torch.bincount(data.train.targets.cpu(), minlength=len(data.classes)).tolist())


@dataclass
class ComponentCache:
    """Components by their configuration: learners of equal configuration share them."""

    losses: dict[str, Loss] = field(default_factory=dict)
    metrics: dict[str, dict[str, MetricRequest]] = field(default_factory=dict)
    optimizers: dict[str, Callable[[Any], Optimizer]] = field(default_factory=dict)
    # What `check_network` gave, by network.
    tried: dict[str, list[nn.Parameter]] = field(default_factory=dict)


def build_learner(
    cfg: Config,
    data: DataModule,
    step_config: StepConfig | None,
    *,
    net: nn.Module | None = None,
    cache: ComponentCache | None = None,
) -> Learner:
    """Build the network with loss, optimizer and schedule. What they refuse is found here, before training.

    Args:
        cfg: The run's configuration.
        data: The run's data.
        step_config: How a block's gradients become steps; None for ordinary Lightning.
        net: The network, where it is built already.
        cache: Components to share with other learners.

    Raises:
        ConfigError: The optimizer or schedule refuses its settings, or the parts do not fit each other.
    """
    cache = cache or ComponentCache()
    net = build_net(cfg, data.net_shape, data.out_features) if net is None else net
    check_norm(net, len(data.train), data.batch_size)
    key = str((cfg["model"], data.net_shape, data.out_features))
    if key not in cache.tried:
        cache.tried[key] = check_network(
            cfg, net, data, lambda: build_net(cfg, data.net_shape, data.out_features)
        )
    tried = cache.tried[key]
    if cfg.get("compile"):
        net.compile()  # in place: the names in its state stay
    counts = _class_counts(cfg, data)
    key = str((cfg["loss"], counts))
    loss = cache.losses.get(key) or build_loss(cfg, data.out_features, data.ignores, counts)
    if not any(map(is_custom, targets(cfg["loss"]))):  # a custom one may keep a state
        cache.losses[key] = loss
    key = str(cfg.get("metrics"))
    if key not in cache.metrics:
        cache.metrics[key] = build_metrics(cfg, len(data.classes), data.out_features)
    metrics = cache.metrics[key]
    trainer = cfg["trainer"]
    steps = math.ceil(data.batches_per_epoch / trainer.get("accumulate_grad_batches", 1))
    total, epochs = training_length(trainer, steps)
    node = optimizer_node(cfg, total)
    key = str(node)
    if key not in cache.optimizers:
        cache.optimizers[key] = make("optim", node)
    optimizer = cache.optimizers[key]
    _check_validated(cfg, epochs)
    schedule = build_schedule(cfg, total, epochs)
    if cfg.get("ema") is not None:
        optimizer = _averaged(cfg, optimizer, net)
    try:
        trial = optimizer([*net.parameters()])
        if schedule is not None:
            schedule.make(trial)
        if tried and not needs_closure(trial):
            _step(optimizer, tried)
    except AbreastError:
        raise
    except Exception as error:  # packages have their own kinds
        raise ConfigError(f"optim or schedule: {cfg['optim']['_target_']}: {error}") from error
    return Learner(
        net,
        loss,
        data_spec(data),
        optimizer,
        schedule,
        metrics=metrics,
        step_config=step_config,
        graphs=build_step_graphs(cfg, step_config, trial),
        total_steps=total,
        log_every=trainer.get("log_every_n_steps") or 50,
        saves_attributes=is_custom_network(cfg["model"]),
    )


def _step(make_optimizer: MakeOptimizer, tried: list[nn.Parameter]) -> None:
    """Take a step with gradients that the optimizer may refuse, on copies of the parameters."""
    copies = copy.deepcopy(tried)
    for copied, parameter in zip(copies, tried, strict=True):
        copied.grad = copy.deepcopy(parameter.grad)
    make_optimizer(copies).step()


def _averaged(cfg: Config, make_optimizer: MakeOptimizer, net: nn.Module) -> MakeOptimizer:
    """An optimizer that averages the weights, too."""
    try:
        base = make_optimizer([*net.parameters()])
    except Exception:  # said by the trial of the optimizer itself
        return make_optimizer
    check_wrapped(base, "ema", "write ema=null")
    return partial(WeightAverage, make_optimizer=make_optimizer, decay=cfg["ema"])


def optimizer_node(cfg: Config, total_steps: int) -> Config:
    """The optimizer's node without the keys that the run itself reads, and with what the run fills in.

    Args:
        cfg: The run's configuration.
        total_steps: Optimizer steps of the training, for an optimizer that asks for `num_iterations`.
    """
    node = {key: value for key, value in cfg["optim"].items() if key not in names(OptimizerKeys)}
    if node.get("num_iterations", 0) is None:
        node["num_iterations"] = max(1, total_steps)
    return node


def _check_validated(cfg: Config, epochs: int) -> None:
    monitored = monitor(cfg)
    every = cfg["trainer"].get("check_val_every_n_epoch") or 1
    if monitored is not None and monitored[0].startswith("val/") and 0 < epochs < every:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={every}, but the training ends in epoch {epochs}: "
            f"{monitored[0]} would never be measured. "
            "Validate more often, train for longer, or set monitor=train/loss"
        )


def build_schedule(cfg: Config, total_steps: int, total_epochs: int) -> Schedule | None:
    """Build the learning-rate schedule, or None for a constant rate.

    Args:
        cfg: The run's configuration.
        total_steps: Optimizer steps of the training, given to the scheduler if it asks for them.
        total_epochs: Epochs of the training, given likewise.
    """
    node = cfg["schedule"]
    if node["scheduler"] is None:
        return None
    lengths = {"total_steps": total_steps, "total_epochs": total_epochs}
    accepted = inspect.signature(hydra.utils.get_object(node["scheduler"]["_target_"])).parameters
    lengths = {k: v for k, v in lengths.items() if k in accepted and k not in node["scheduler"]}
    scheduler = make("schedule.scheduler", node["scheduler"], **lengths)
    return Schedule(scheduler, node["interval"], node["monitor"])
