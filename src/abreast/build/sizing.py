"""Whether the data, the network and the length of a training fit each other."""

from __future__ import annotations

import inspect
import math

import hydra.utils
from torch import nn

from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.models import MLP


def net_sizes(model: Config, in_shape: tuple[int, ...], out_features: int) -> Config:
    """The sizes of the data that the network's class takes and the config leaves open.

    Args:
        model: The configuration of the network.
        in_shape: Shape of one input.
        out_features: Scores of one input.

    Returns:
        Keyword arguments for the class: some of `in_features`, `out_features`, `in_shape`.
    """
    sizes = {"in_features": math.prod(in_shape), "out_features": out_features, "in_shape": in_shape}
    accepted = inspect.signature(hydra.utils.get_object(model["_target_"])).parameters
    return {name: size for name, size in sizes.items() if name in accepted and name not in model}


def training_length(trainer: Config, steps: int) -> tuple[int, int]:
    """The length of a training.

    Args:
        trainer: The Trainer's configuration, with `max_epochs` and `max_steps`.
        steps: Optimizer steps of an epoch.

    Returns:
        Optimizer steps in all, and the epochs that they take.
    """
    most = trainer.get("max_steps", -1)
    epochs = trainer.get("max_epochs")
    if epochs is None and most == -1:
        epochs = 1000  # Lightning's default
    if epochs is None or epochs == -1:
        return most, math.ceil(most / steps)
    total = steps * epochs if most == -1 else min(steps * epochs, most)
    return total, math.ceil(total / steps)


def check_norm(net: nn.Module, rows: int, batch_size: int) -> None:
    """Raise ConfigError where a network with batch norm would get a batch of one example."""
    left = rows % batch_size if rows > batch_size else min(rows, batch_size)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if (batch_size == 1 or left == 1) and any(isinstance(module, norms) for module in net.modules()):
        other = "model.norm=layer" if isinstance(net, MLP) else "a network without batch norm"
        raise ConfigError(
            f"data.batch_size={batch_size} leaves a batch of one of {rows} training examples, and batch norm "
            f"needs two: choose another batch size, or {other}"
        )
