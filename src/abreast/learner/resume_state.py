"""The position of a training: what Lightning's checkpoint lacks for a bitwise identical continuation.

Lightning saves weights, optimizers, schedules and callbacks. Added are the position within the epoch, what
was measured since the epoch began, and the state of the random generators, of every rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import torch
import torch.distributed as dist
from lightning.pytorch import Trainer
from torch import Tensor

from abreast.config.types import State
from abreast.data.loader import ResumableLoader
from abreast.learner.epoch_progress import EpochProgress, EpochState
from abreast.learner.lightning_loops import set_position
from abreast.learner.random_state import RandomState
from abreast.metrics.stage import StageMetrics

if TYPE_CHECKING:
    from typing_extensions import NotRequired


class RankState(TypedDict):
    """The state of one rank.

    Attributes:
        random: Of its random generators.
        epoch: Only in a checkpoint that was saved within an epoch.
        attributes: Those of a custom network that changed, where there are several ranks.
    """

    random: RandomState
    epoch: NotRequired[EpochState]
    attributes: NotRequired[dict[str, Any]]


class Position(TypedDict):
    """Where a training continues.

    Attributes:
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
    state: RankState,
    *,
    epoch: int,
    batches_per_epoch: int,
    should_stop: bool,
) -> Position:
    """The position of the training. All ranks must call it together.

    Args:
        progress: What the current epoch has come to.
        metrics: The training metrics, which are saved with it.
        state: This rank's, without what the epoch has come to.
        epoch: The current epoch, from 0.
        batches_per_epoch: Mini-batches of an epoch; after the last one comes the next epoch's first.
        should_stop: Whether the training was told to stop.
    """
    batches = progress.batches_done
    if batches == batches_per_epoch:
        epoch, batches = epoch + 1, 0
    if batches:
        state = {**state, "epoch": progress.state(metrics.state())}
    return {"epoch": epoch, "batches": batches, "should_stop": should_stop, "ranks": _gather(state)}


def add_position(
    checkpoint: State, trainer: Trainer, progress: EpochProgress, metrics: StageMetrics, state: RankState
) -> None:
    """Add the position of the training to Lightning's checkpoint. All ranks must call it together.

    Args:
        checkpoint: As Lightning has made it, with our part under `abreast`; it is changed.
        trainer: The Trainer, whose training loader is a `ResumableLoader`.
        progress: What the current epoch has come to.
        metrics: The training metrics, which are saved with it.
        state: This rank's, without what the epoch has come to.
    """
    loader = trainer.train_dataloader
    assert isinstance(loader, ResumableLoader)
    checkpoint["abreast"]["position"] = saved = position(
        progress,
        metrics,
        state,
        epoch=trainer.current_epoch,
        batches_per_epoch=loader.batches,
        should_stop=trainer.should_stop,
    )
    is_automatic = trainer.lightning_module.automatic_optimization
    set_position(
        checkpoint["loops"],
        epoch=saved["epoch"],
        batches=saved["batches"],
        calls_per_epoch=len(loader),
        batches_per_call=loader.steps,
        optimizer_steps=trainer.global_step if is_automatic else None,
    )


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
