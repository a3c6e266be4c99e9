"""The position of a training: what Lightning's checkpoint lacks for a bitwise identical continuation.

Lightning saves weights, optimizers, schedules and callbacks. Added are the position within the epoch, what
was measured since the epoch began, and the state of the random generators, of every rank.
"""

from __future__ import annotations

from typing import Any, TypedDict

import torch
import torch.distributed as dist
from torch import Tensor

from abreast.config.types import State
from abreast.learner.epoch_progress import EpochProgress, EpochState
from abreast.learner.random_state import RandomState
from abreast.metrics.stage import StageMetrics


class _RankState(TypedDict):
    random: RandomState


class RankState(_RankState, total=False):
    """The state of one rank; `epoch` only in a checkpoint that was saved within an epoch."""

    epoch: EpochState


class Position(TypedDict):
    """Where a training continues.

    epoch: Epochs that are complete.
    batches: Mini-batches of the next epoch that are done.
    should_stop: Whether something, such as early stopping, has ended the training.
    ranks: The state of every rank, in order.
    """

    epoch: int
    batches: int
    should_stop: bool
    ranks: list[RankState]


def position(
    progress: EpochProgress,
    metrics: StageMetrics,
    random: RandomState,
    *,
    epoch: int,
    batches_per_epoch: int,
    should_stop: bool,
) -> Position:
    """The position of the training. All ranks must call it together.

    Args:
        progress: What the current epoch has come to.
        metrics: The training metrics, which are saved with it.
        random: State of this rank's random generators.
        epoch: The current epoch, from 0.
        batches_per_epoch: Mini-batches of an epoch; after the last one comes the next epoch's first.
        should_stop: Whether the training was told to stop.
    """
    batches = progress.batches_done
    if batches == batches_per_epoch:
        epoch, batches = epoch + 1, 0
    state: RankState = {"random": random}
    if batches:
        state["epoch"] = progress.state(metrics.state())
    return {"epoch": epoch, "batches": batches, "should_stop": should_stop, "ranks": _gather(state)}


def logged_steps(content: State) -> int:
    """The number of optimizer steps that the loggers had been told of; they are told at an epoch's end.

    Args:
        content: A checkpoint of a training.
    """
    try:
        return int(content["abreast"]["position"]["ranks"][0]["epoch"]["first_step"])
    except (KeyError, IndexError, TypeError, ValueError):  # between two epochs; what is broken is told later
        return int(content["global_step"])


def _gather(state: RankState) -> list[RankState]:
    if not (dist.is_available() and dist.is_initialized()):
        return [state]
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, state)
    return states


def state_of_rank(position: Position, rank: int) -> RankState:
    """The rank's state; that of the last one where more ranks resume than were saved."""
    ranks = position["ranks"]
    return ranks[min(rank, len(ranks) - 1)]


def to_device(value: Any, device: torch.device) -> Any:
    """The same nest of lists and dicts with its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_device(item, device) for item in value]
    return value
