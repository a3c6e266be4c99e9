"""Whether the data, the network and the length of a training fit each other."""

from __future__ import annotations

import inspect
import math

import hydra.utils
from torch import nn

from abreast.config.types import Config
from abreast.errors import ConfigError


def net_sizes(model: Config, in_shape: tuple[int, ...], out_features: int) -> Config:
    """What the data tell the network, as far as its class asks and the config does not say."""
    sizes = {"in_features": math.prod(in_shape), "out_features": out_features, "in_shape": in_shape}
    accepted = inspect.signature(hydra.utils.get_object(model["_target_"])).parameters
    return {name: size for name, size in sizes.items() if name in accepted and name not in model}


def training_length(trainer: Config, steps: int) -> tuple[int, int]:
    """Optimizer steps of the whole training, and the epochs that they take, of `steps` each."""
    most = trainer.get("max_steps", -1)
    epochs = trainer.get("max_epochs")
    if epochs is None and most == -1:
        epochs = 1000  # what Lightning takes for nothing
    if epochs is None or epochs == -1:
        return most, math.ceil(most / steps)
    total = steps * epochs if most == -1 else min(steps * epochs, most)
    return total, math.ceil(total / steps)


def check_norm(net: nn.Module, rows: int, batch_size: int) -> None:
    """Raise ConfigError where batch norm would meet a batch of one row."""
    left = rows % batch_size if rows > batch_size else min(rows, batch_size)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if (batch_size == 1 or left == 1) and any(isinstance(module, norms) for module in net.modules()):
        raise ConfigError(
            f"data.batch_size={batch_size} leaves a batch of one of the {rows} training rows, and batch norm "
            "needs two: choose another batch size, or model.norm=layer"
        )
