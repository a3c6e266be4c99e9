"""What steps the lanes of a chunk: one update for many optimizers where it is proven and pays off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from abreast.optim.fused_step import is_watched
from abreast.stacking.optimizers.device_update import DeviceUpdate
from abreast.stacking.optimizers.formulas import Flags
from abreast.stacking.optimizers.groups import OptimizerGroup
from abreast.stacking.optimizers.rules import flags
from abreast.stacking.optimizers.slab_update import SlabUpdate
from abreast.stacking.optimizers.update_check import FlagItems, exact_width, proven_apply
from abreast.stacking.parameters import StackedState

# Values of a setting's lanes from which fused kernels, called once for each setting, take less time than one
# update for all; the second where each setting has its own optimizer, as lanes with schedules do.
FUSED_FROM = 4_000, 12_000


class Stepper(Protocol):
    """What updates the weights of some lanes."""

    def step(self) -> None:
        """Take one step of these lanes' optimizers."""


def device_steppers(groups: Sequence[OptimizerGroup], state: StackedState) -> list[Stepper]:
    """As `steppers`, for a device that Python does not wait for: numerically equivalent, and always together.

    Args:
        groups: The optimizers of a chunk's lanes, in the lanes' order.
        state: The lanes' stacked parameters.
    """
    result: list[Stepper] = []
    for key, neighbours in groupby(groups, lambda group: _key(group, on_device=True)):
        members = [*neighbours]
        apply = None if key is None else proven_apply(*key, _parameters(members[0])[0].device)  # type: ignore[arg-type]  # a class is hashable
        if key is None or apply is None:
            result += members
        else:
            result.append(DeviceUpdate(dict(key[1]), members, state, apply))
    return result


def steppers(groups: Sequence[OptimizerGroup], state: StackedState) -> list[Stepper]:
    """Update neighbouring groups of one rule and equal flags together, the others by themselves.

    Args:
        groups: The optimizers of a chunk's lanes, in the lanes' order.
        state: The lanes' stacked parameters.
    """
    result: list[Stepper] = []
    for key, neighbours in groupby(groups, _key):
        members = [*neighbours]
        width = None
        if key is not None and _pays_off(members, state, dict(key[1])):
            width = exact_width(key[0], key[1])  # type: ignore[arg-type]  # a class is hashable
        if key is None or width is None:
            result += members
        else:
            result.append(SlabUpdate(dict(key[1]), members, state, width))
    return result


def _parameters(group: OptimizerGroup) -> list[Tensor]:
    return [parameter for part in group.optimizer.param_groups for parameter in part["params"]]


def _key(group: OptimizerGroup, *, on_device: bool = False) -> tuple[type[Optimizer], FlagItems] | None:
    """What is equal for groups that are updated together; None for one that is not."""
    optimizer, parameters = group.optimizer, _parameters(group)
    in_slices = {id(part.parameter) for lane in group.lanes for part in group.slices(lane)}
    is_usual = {*map(id, parameters)} == in_slices and not is_watched(optimizer)
    is_usual = is_usual and len(optimizer.param_groups) == len(group.settings)
    if not is_usual or any(p.dtype != torch.float32 for p in parameters):
        return None
    if not on_device and any(p.device.type != "cpu" for p in parameters):
        return None
    # Counts of an update on a device are on the host, whatever the optimizer's own would be.
    free = {"capturable": False, "fused": None} if on_device else {}
    on = [
        flags(optimizer, {**part, **{key: free[key] for key in free if key in part}})
        for part in optimizer.param_groups
    ]
    first = on[0]
    if first is None or any(other != first for other in on):
        return None
    return type(optimizer), (*first.items(),)


def _pays_off(groups: Sequence[OptimizerGroup], state: StackedState, on: Flags) -> bool:
    lanes = sum(len(group.lanes) for group in groups)
    if not on["fused"]:
        return lanes > 1
    counts = sum(len(group.settings) for group in groups)
    values = sum(weight[0].numel() for weight in state.parameters.values()) * lanes / counts
    return lanes > 1 and values < FUSED_FROM[len(groups) > 1]
