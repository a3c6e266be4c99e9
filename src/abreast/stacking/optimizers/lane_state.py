"""State of the lanes' optimizers, taken apart lane by lane and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from abreast.config.types import State


@dataclass(frozen=True)
class OptimizerSnapshot:
    """State of one lane's optimizer and schedule, as an individual run's checkpoint holds them.

    Attributes:
        optimizer: What the optimizer's `state_dict` would return.
        scheduler: What the scheduler's would; None without a schedule.
    """

    optimizer: State
    scheduler: State | None


@dataclass(frozen=True)
class ParameterSlice:
    """Where a lane's values of a parameter are: in position `lane` of a slab, or (None) in all of it."""

    parameter: nn.Parameter
    lane: int | None


def lane_value(value: object, part: ParameterSlice) -> object:
    """A lane's share of a value in the optimizer's state of a parameter."""
    if not isinstance(value, Tensor):
        return value
    if part.lane is not None and value.shape == part.parameter.shape:
        value = value[part.lane]
    return value.clone()


def joined(values: Sequence[object], parameter: nn.Parameter) -> object:
    """The inverse of `lane_value`: one value of all lanes that share a parameter."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    is_by_lane = bool(tensors) and tensors[0].ndim > 0 and tensors[0].shape == parameter.shape[1:]
    return torch.stack(tensors) if is_by_lane else values[0]


def cloned(node: Any) -> Any:
    """Copy the tensors of a nest: a view would be saved with all of the memory that it is a view of."""
    if isinstance(node, Tensor):
        return node.detach().clone()
    if type(node) is dict:
        return {key: cloned(value) for key, value in node.items()}
    if isinstance(node, dict):
        return type(node)((key, cloned(value)) for key, value in node.items())
    if isinstance(node, (list, tuple)):
        return type(node)(cloned(value) for value in node)
    return node
