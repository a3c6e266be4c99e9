"""Whether a network takes the examples of the data and gives as many scores as they need, tried on two."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.errors import ConfigError
from abreast.learner.normalize import Normalize
from abreast.runtime.seeding import seeded

ROWS = 2


def check_network(cfg: Config, net: nn.Module, data: DataModule) -> None:
    """Try a network on the first examples. It stays as it is: a copy is tried, in evaluation mode.

    Args:
        cfg: The run's configuration.
        net: The network, on the CPU. One with parameters that its first batch makes is not tried.
        data: The run's data.

    Raises:
        ConfigError: It does not take the examples, or gives something else than `[B, out_features]`.
    """
    if any(map(is_lazy, net.parameters())):
        return
    target, inputs = cfg["model"]["_target_"], data.train.inputs[:ROWS].cpu()
    try:
        trial = copy.deepcopy(net).eval()
    except Exception:  # a network that cannot be copied shows at its first step what it takes
        return
    try:
        with seeded(cfg["seed"]), torch.no_grad():
            scores = trial(Normalize(data.mean, data.std, data.projection)(inputs))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ConfigError(
            f"model: {target} cannot compute a batch of shape {list(inputs.shape)} "
            f"({type(error).__name__}: {reason}). HYDRA_FULL_ERROR=1 shows where"
        ) from error
    expected = [len(inputs), data.out_features]
    if not isinstance(scores, Tensor) or list(scores.shape) != expected:
        what = f"shape {list(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise ConfigError(
            f"model: {target} gives {what} for a batch of shape {list(inputs.shape)}, but the data need a "
            f"tensor of shape {expected}: {data.out_features} scores for each example"
        )
