"""Whether a run can be trained for longer than it was made for: whether its schedule and optimizer can."""

from __future__ import annotations

import inspect
import warnings

import hydra.utils
import torch
from torch import nn

from abreast.build.components import build_schedule, optimizer_node
from abreast.build.instantiate import make
from abreast.config.types import Config
from abreast.errors import ConfigError, first_line
from abreast.optim.by_name import asks_for_length

LENGTHS = ("total_steps", "total_epochs")


def check_length(config: Config, made_for: int | None, steps_per_epoch: int | None) -> None:
    """Check that the run's learning-rate schedule and optimizer go with another number of epochs.

    Args:
        config: The run's configuration, with the new number of epochs.
        made_for: The number of epochs that they were made for.
        steps_per_epoch: Optimizer steps of an epoch, where any has ended.

    Raises:
        ConfigError: The rates so far are those of another length, or the schedule refuses further steps.
    """
    node, epochs = config["schedule"]["scheduler"], config["trainer"].get("max_epochs")
    if epochs == made_for or epochs is None:
        return
    if _is_told_length(config["optim"]):
        raise ConfigError(
            f"trainer.max_epochs={epochs}: {config['optim']['_target_']} was told the length of {made_for} "
            f"epochs, so it cannot have another; start a new run with trainer.max_epochs={epochs}"
        )
    if node is None:
        return
    target = node["_target_"]
    accepted = inspect.signature(hydra.utils.get_object(target)).parameters
    if any(name in accepted and name not in node for name in LENGTHS):
        raise ConfigError(
            f"trainer.max_epochs={epochs}: the rates of {target} are laid out for {made_for} epochs, "
            f"so it cannot have another length; start a new run with trainer.max_epochs={epochs}"
        )
    reason = None if steps_per_epoch is None else _refusal(config, steps_per_epoch, epochs)
    if reason is not None:
        raise ConfigError(
            f"trainer.max_epochs={epochs}: {target} refuses so many steps ({reason}); start a new run with "
            "another schedule, or leave max_epochs as it is"
        )


def _is_told_length(optim: Config) -> bool:
    """Whether the run fills in how many steps the optimizer takes, and the optimizer uses it."""
    if optim.get("num_iterations", 0) is not None:
        return False
    return optim["_target_"] != "abreast.optim.by_name" or asks_for_length(optim["name"])


def _refusal(config: Config, steps_per_epoch: int, epochs: int) -> str | None:
    """What the schedule says when it is stepped to the end of the longer training; None if it goes along."""
    if config["schedule"]["monitor"] is not None:
        return None
    by_step = config["schedule"]["interval"] == "step"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are no optimizer steps between those of the schedule
        total = steps_per_epoch * epochs
        optimizer = make("optim", optimizer_node(config, total))([nn.Parameter(torch.zeros(2, 2))])
        schedule = build_schedule(config, total, epochs)
        assert schedule is not None
        try:
            scheduler = schedule.make(optimizer)
            for _ in range(total if by_step else epochs):
                scheduler.step()
        except Exception as error:  # a custom schedule may raise anything
            return first_line(error)
    return None
