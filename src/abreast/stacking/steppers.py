"""What steps the lanes of a chunk: one update for many optimizers where it is bitwise exact and pays off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from abreast.optim.fused_step import is_watched
from abreast.stacking.optimizer_state import ParameterSlice
from abreast.stacking.optimizers import OptimizerGroup
from abreast.stacking.parameters import StackedState
from abreast.stacking.slab_formulas import Flags
from abreast.stacking.slab_rules import flags
from abreast.stacking.slab_update import SlabUpdate

# Values of a setting's lanes from which fused kernels, called once for each setting, take less time than one
# update for all; the second where each setting has its own optimizer, as lanes with schedules do.
FUSED_FROM = 4_000, 12_000
WIDTHS = 8, 16, 4  # values that a fused kernel may handle at once, on one CPU or another
SHAPES = (16,), (4, 8), (10,), (7,), (5, 5), (2, 3, 2, 4)
STEPS = 6
FlagItems = tuple[tuple[str, bool], ...]


class Stepper(Protocol):
    """What updates the weights of some lanes."""

    def step(self) -> None:
        """Take one step of these lanes' optimizers."""


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


def _key(group: OptimizerGroup) -> tuple[type[Optimizer], FlagItems] | None:
    """What is equal for groups that are updated together; None for one that is not."""
    optimizer = group.optimizer
    parameters = [p for part in optimizer.param_groups for p in part["params"]]
    in_slices = {id(part.parameter) for lane in group.lanes for part in group.slices(lane)}
    is_usual = {*map(id, parameters)} == in_slices and not is_watched(optimizer)
    is_usual = is_usual and len(optimizer.param_groups) == len(group.settings)
    if not is_usual or any(p.device.type != "cpu" or p.dtype != torch.float32 for p in parameters):
        return None
    on = [flags(optimizer, part) for part in optimizer.param_groups]
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


@dataclass
class _Lane:
    """One lane of the check, and its optimizer."""

    lanes: range
    settings: Sequence[range]
    optimizer: Optimizer
    parameters: Sequence[nn.Parameter]

    def slices(self, lane: int) -> Sequence[ParameterSlice]:
        """The lane's parameters."""
        return [ParameterSlice(parameter, None) for parameter in self.parameters]


@lru_cache(maxsize=64)
def exact_width(kind: type[Optimizer], items: FlagItems) -> int | None:
    """The width with which one update for several lanes is bitwise each optimizer's; None if there is none.

    Compared are steps down a random bowl, with other settings in each lane. The width is that of the vectors
    which a fused kernel handles at once; 0 for optimizers without one.
    """
    on = dict(items)
    return next((w for w in (WIDTHS if on["fused"] else (0,)) if _is_exact(kind, on, w)), None)


def _is_exact(kind: type[Optimizer], on: Flags, width: int) -> bool:
    generator = torch.Generator().manual_seed(0)
    shapes = [torch.Size(shape) for shape in SHAPES]
    starts = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(3)]
    nets = [nn.ParameterList([start.clone() for start in starts[lane]]) for lane in range(3)]
    others = [nn.ParameterList([start.clone() for start in starts[lane]]) for lane in range(3)]
    state = StackedState(nets)
    try:
        alone = [_optimizer(kind, on, net, lane) for lane, net in enumerate(others)]
        lanes = [
            _Lane(range(lane, lane + 1), [range(lane, lane + 1)], _optimizer(kind, on, net, lane), [*net])
            for lane, net in enumerate(nets)
        ]
        update = SlabUpdate(on, lanes, state, width)
        for _ in range(STEPS):
            for lane, net in enumerate(others):
                for parameter, gradients in zip(net, state.gradients.values(), strict=True):
                    scale = 10.0 ** torch.randint(-4, 2, parameter.shape, generator=generator)
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.grad = (parameter.detach() + 0.1 * noise) * scale
                    gradients[lane] = parameter.grad
            for optimizer in alone:
                optimizer.step()
            update.step()
    except Exception:  # whatever a version of the optimizer does otherwise
        return False
    return update.is_joint and all(
        torch.equal(one, other)
        for net, reference in zip(nets, others, strict=True)
        for one, other in zip(net, reference, strict=True)
    )


def _optimizer(kind: type[Optimizer], on: Flags, net: nn.ParameterList, lane: int) -> Optimizer:
    """The lane's optimizer, with the flags."""
    optimizer = kind(net.parameters(), lr=0.01 * (1 + lane))  # type: ignore[call-arg]
    (group,) = optimizer.param_groups
    group.update({name: value for name, value in on.items() if name in group})
    numbers = {
        "momentum": 0.9 - 0.1 * lane,
        "weight_decay": 0.01 * (1 + lane),
        "dampening": 0.0 if on["nesterov"] else 0.1 * lane,
        "lr_decay": 0.1 * lane,
        "alpha": 0.99 - 0.2 * lane,
        "momentum_decay": 0.004 * (1 + lane),
        "betas": (0.9 - 0.3 * lane, 0.999 - 0.1 * lane),
    }
    group.update({name: value for name, value in numbers.items() if name in group and on.get(name, True)})
    for name in ("momentum", "weight_decay"):
        if name in group and not on[name]:
            group[name] = 0.0
    return optimizer
