"""One update for the lanes of many optimizers on a device that Python does not wait for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from abreast.stacking.optimizers.formulas import Flags, Tile
from abreast.stacking.optimizers.rules import SWITCHES, Rule
from abreast.stacking.optimizers.slab_state import LaneOptimizer, SlabState
from abreast.stacking.parameters import ALIGNED, StackedState, flat_by_lane

TILE = 1 << 24  # values whose intermediate results are in memory at a time
# Factors that move weights, as they are for a lane whose weights stay.
AT_REST = {**dict.fromkeys(("-lr", "-size", "-grad", "-mean"), 0.0), "kept": 1.0, "kept_fixed": 1.0}
INITIAL = {"mu_product": 1.0}  # of the numbers that an optimizer keeps of a parameter; 0 for the others


class Slab(NamedTuple):
    """A parameter of all lanes, `[K, values]` each; lanes have the same stride in all of them.

    Attributes:
        weight: The weights.
        grad: Their gradients.
        state: What the optimizers keep of them, in the order of their rule.
    """

    weight: Tensor
    grad: Tensor
    state: Mapping[str, Tensor]


class Factors(NamedTuple):
    """The numbers of each lane in a step.

    Attributes:
        names: What they are.
        values: `[factors, K, 1]`.
        active: Of each lane, whether it is updated at all; uint8 `[K]`.
    """

    names: Sequence[str]
    values: Tensor
    active: Tensor


Apply = Callable[[Rule, Slab, Factors, Flags], None]


class DeviceUpdate:
    """Steps the optimizers of neighbouring lanes at once, by the rule of their class.

    The host counts the steps and computes the factors of each lane ahead (`prepare`), as the settings may
    change with every step; the device applies them (`step`). So a CUDA graph can record `step`, whether the
    optimizer's own step could be recorded or not. State that is missing is made as the optimizers make it, so
    the first step after a checkpoint is rounded like any other.

    Args:
        on: The flags, equal for all; what is in use of momentum and weight decay may change.
        groups: The optimizers, of one rule and in the order of their lanes.
        stack: The stacked parameters of the chunk's lanes.
        apply: Updates a parameter of all lanes.
    """

    def __init__(self, on: Flags, groups: Sequence[LaneOptimizer], stack: StackedState, apply: Apply) -> None:
        self.on = {**on, "fused": False}
        self.groups = groups
        self.stack = stack
        self.apply = apply
        self.slab = SlabState(groups, stack)
        self.lanes = self.slab.lanes
        self._slabs: list[Slab] = []
        self._taken = np.zeros(len(self.slab.members))  # steps with a momentum, of rules that do not count
        weight = next(iter(stack.parameters.values()))
        self._like = weight.detach()
        active = torch.ones(len(self.lanes), dtype=torch.uint8, device=weight.device)
        self.factors = Factors((), self._like.new_empty(0), active)

    @torch.no_grad()
    def prepare(self) -> None:
        """Count a step, and bring its factors to the device; does not wait for it."""
        is_new = self.slab.read()
        on = self._in_use() if is_new else self.on
        if on != self.on or not self._slabs:
            self.on = on
            self._move()
        self._taken += 1
        self.slab.count()
        if is_new or self.slab.rule.counts or (self._taken <= 2).any():
            names, values = self.slab.factors(self._taken)
            if not self.factors.names:
                # Rows begin where kernels read them at once.
                padded = math.ceil(len(self.lanes) / ALIGNED) * ALIGNED
                memory = self._like.new_zeros(len(names), padded, 1)[:, : len(self.lanes)]
                self.factors = Factors(names, memory, self.factors.active)
            sent = torch.from_numpy(values).to(self._like.dtype)
            self.factors.values.copy_(sent.pin_memory() if self._like.is_cuda else sent, non_blocking=True)

    def freeze(self, is_finite: Tensor) -> None:
        """Let the lanes for which this is False be as they are from now on; bool `[K]` of the chunk."""
        self.factors.active.mul_(is_finite[self.lanes.start : self.lanes.stop])

    @torch.no_grad()
    def step(self) -> None:
        """Update the weights by the factors of the step that was prepared."""
        for slab in self._slabs:
            self.apply(self.slab.rule, slab, self.factors, self.on)

    def _in_use(self) -> dict[str, bool]:
        """The flags, with what the lanes use now of momentum and weight decay."""
        columns = self.slab.columns
        return {**self.on, **{key: bool((columns[key] != 0).any()) for key in SWITCHES if key in columns}}

    def _move(self) -> None:
        """Make what is missing of the optimizers' state, and let it be views of slabs."""
        rule = self.slab.rule
        for number, (optimizer, group) in enumerate(self.slab.members):
            vars(optimizer)["_opt_called"] = True  # schedules ask whether `step` was called
            keys = rule.state(self.on)
            for parameter in group["params"]:
                state = optimizer.state[parameter] if keys or rule.numbers else {}
                self._taken[number] = 2 if all(key in state for key in keys) else 0
                for key in keys:
                    if state.get(key) is None:
                        state[key] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
                for key in rule.numbers:
                    state.setdefault(key, torch.tensor(INITIAL.get(key, 0.0)))
        self.slab.share_numbers()
        states = self.slab.move_to_slabs(self.on)
        self.factors = Factors((), self._like.new_empty(0), self.factors.active)
        lanes = slice(self.lanes.start, self.lanes.stop)
        self._slabs = [
            Slab(
                flat_by_lane(weight.detach()[lanes]),
                flat_by_lane(self.stack.gradients[name][lanes]),
                {key: flat_by_lane(slab) for key, slab in states[name].items()},
            )
            for name, weight in self.stack.parameters.items()
            if weight.numel()
        ]


def apply_formulas(rule: Rule, slab: Slab, factors: Factors, on: Flags) -> None:
    """Update a parameter by torch's operations, some ten kernels for as many lanes as fit into `TILE`.

    The gradients of lanes that are not active become 0, and their weights are not moved.
    """
    inactive = factors.active[:, None] == 0
    slab.grad.masked_fill_(inactive, 0)
    by_name = {
        name: value.masked_fill(inactive, AT_REST[name]) if name in AT_REST else value
        for name, value in zip(factors.names, factors.values.unbind(), strict=True)
    }
    lanes, values = slab.weight.shape
    height = max(1, TILE // values)
    for start in range(0, lanes, height):
        part = slice(start, start + height)
        weight, grad = slab.weight[part], slab.grad[part]
        state = {key: value[part] for key, value in slab.state.items()}
        tile = Tile(weight, grad, state, grad.new_empty(3, *grad.shape), is_remainder=False)
        rule.update(tile, {name: value[part] for name, value in by_name.items()}, on)
