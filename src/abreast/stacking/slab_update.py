"""One update for the lanes of many optimizers, with a vector of each hyperparameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from abreast.stacking.optimizer_state import ParameterSlice
from abreast.stacking.parameters import StackedState, stacked_zeros
from abreast.stacking.slab_formulas import Column, Flags, Tile
from abreast.stacking.slab_rules import SWITCHES, Rule, rule_of, settings

TILE = 1 << 16  # values of a tile: five arrays of as many float32 stay in a core's second cache


class LaneOptimizer(Protocol):
    """An optimizer of neighbouring lanes: a range of them for each of its parameter groups."""

    @property
    def lanes(self) -> range: ...

    @property
    def settings(self) -> Sequence[range]: ...

    @property
    def optimizer(self) -> Optimizer: ...

    def slices(self, lane: int) -> Sequence[ParameterSlice]:
        """Where the lane's values of each parameter are."""


class SlabUpdate:
    """Steps the optimizers of neighbouring lanes at once, by the rule of their class.

    The optimizers keep their settings, which schedules change, and their state: its tensors become views of
    slabs `[K, *shape]`, and may be read and saved as before.

    Args:
        on: The flags, equal for all.
        groups: The optimizers, of one rule and in the order of their lanes.
        state: The stacked parameters of the chunk's lanes.
        width: Values that a fused kernel handles at once; the remainder is rounded differently. 0: no matter.
    """

    def __init__(self, on: Flags, groups: Sequence[LaneOptimizer], state: StackedState, width: int) -> None:
        rule = rule_of(groups[0].optimizer)
        assert rule is not None, "its optimizers have a rule"
        self.rule: Rule = rule
        self.on = on
        self.groups = groups
        self.state = state
        self.width = width
        self.lanes = range(groups[0].lanes.start, groups[-1].lanes.stop)
        self.members = [(group.optimizer, part) for group in groups for part in group.optimizer.param_groups]
        lane_counts = [len(lanes) for group in groups for lanes in group.settings]
        self._setting_of_lane = np.repeat(np.arange(len(lane_counts)), lane_counts)
        self._tiles: list[tuple[Tile, Mapping[str, Tensor]]] = []  # empty until the state is in slabs
        self._numbers: dict[str, Tensor] = {}  # `step` and products, `[settings]` each
        self._settings: list[list[float]] = []
        self._columns: dict[str, Column] = {}
        self._coefficients: Tensor  # [coefficients, K, 1]

    @property
    def is_joint(self) -> bool:
        """Whether the next step is taken together."""
        return bool(self._tiles)

    @torch.no_grad()
    def step(self) -> None:
        """Take one step of each optimizer; the first, in which they make their state, is their own."""
        now = [settings(self.rule, group) for _, group in self.members]
        is_new = now != self._settings
        if is_new:
            self._settings = now
            self._columns = dict(zip(self.rule.settings, np.array(now, np.float64).T, strict=True))
        if not self._tiles or (is_new and not self._have_flags()):
            self._step_each()
            return
        if "step" in self._numbers:
            self._numbers["step"].add_(1)
        for _, group in self.members:
            if "step" in group:
                group["step"] += 1
        if is_new or self.rule.counts:
            self._compute_coefficients()
        for tile, coefficients in self._tiles:
            self.rule.update(tile, coefficients, self.on)

    def _have_flags(self) -> bool:
        """Whether momentum and weight decay are still in use, or not, as a schedule may change them."""
        switches = [key for key in SWITCHES if key in self._columns]
        return all(((self._columns[key] != 0) == self.on[key]).all() for key in switches)

    def _step_each(self) -> None:
        """Take one step of each optimizer by itself, then let the next be taken together."""
        for optimizer, group in self.members if self._tiles else ():  # which counts for each parameter
            for parameter in group["params"]:
                for key in self.rule.numbers:
                    optimizer.state[parameter][key] = optimizer.state[parameter][key].clone()
        self._tiles.clear()
        for lane_optimizer in self.groups:
            lane_optimizer.optimizer.step()
        if self._has_state() and self._have_flags():
            self._move_to_slabs()
            self._settings = []  # coefficients are computed at the next step

    def _table(self) -> dict[str, Column]:
        """The coefficients of each setting, after as many steps as are counted."""
        numbers = {key: number.double().numpy() for key, number in self._numbers.items()}
        count = numbers.get("step", np.ones(len(self.members)))
        return self.rule.coefficients({**self._columns, **numbers}, count)

    def _compute_coefficients(self) -> None:
        table = self._table()
        for key in self.rule.numbers:
            if key in table:
                self._numbers[key].copy_(torch.from_numpy(table[key]))
        by_lane = np.stack([*table.values()])[:, self._setting_of_lane, None]
        self._coefficients.copy_(torch.from_numpy(by_lane))

    def _has_state(self) -> bool:
        """Whether every parameter has all of its state, with one number of steps in each parameter group."""
        keys = {*self.rule.state(self.on), *self.rule.numbers}
        for optimizer, group in self.members:
            states = [optimizer.state.get(parameter, {}) for parameter in group["params"]]
            if not all(isinstance(state.get(key), Tensor) for state in states for key in keys):
                return False
            if any(len({float(state[key]) for state in states}) > 1 for key in self.rule.numbers):
                return False
        return True

    def _move_to_slabs(self) -> None:
        """Let the optimizers' state be views of slabs, and divide these into tiles."""
        for key in self.rule.numbers:
            first = [optimizer.state[group["params"][0]][key] for optimizer, group in self.members]
            self._numbers[key] = torch.stack(first)
            for number, (optimizer, group) in zip(self._numbers[key], self.members, strict=True):
                for parameter in group["params"]:
                    optimizer.state[parameter][key] = number
        slabs: dict[str, dict[str, Tensor]] = {}
        for position, (name, weight) in enumerate(self.state.parameters.items()):
            slabs[name] = {}
            for key in self.rule.state(self.on):
                slab = slabs[name][key] = stacked_zeros(len(self.lanes), weight.detach()[0])
                for state, lanes in self._states(position):
                    part = slab[lanes].view_as(state[key])
                    state[key] = part.copy_(state[key])
        names = [*self._table()]
        self._coefficients = torch.zeros(len(names), len(self.lanes), 1)
        self._tiles = [
            (tile, {name: self._coefficients[number, lanes] for number, name in enumerate(names)})
            for tile, lanes in self._divided(slabs)
        ]

    def _divided(self, slabs: Mapping[str, Mapping[str, Tensor]]) -> Iterator[tuple[Tile, slice]]:
        """The tiles of all parameters, and the lanes of each."""
        scratch = torch.empty(3, TILE)
        first, stop = self.lanes.start, self.lanes.stop
        for name, weight in self.state.parameters.items():
            lane_tensors = [weight.detach()[first:stop], self.state.gradients[name][first:stop]]
            flat = [tensor.flatten(1) for tensor in (*lane_tensors, *slabs[name].values())]
            values = flat[0].shape[1]
            whole = values - values % self.width if self.width else values
            ranges = [slice(start, min(start + TILE, whole)) for start in range(0, whole, TILE)]
            for columns in [*ranges, slice(whole, values)] if whole < values else ranges:
                width = columns.stop - columns.start
                height = max(1, TILE // width)
                for start in range(0, len(self.lanes), height):
                    lanes = slice(start, min(start + height, len(self.lanes)))
                    parts = [tensor[lanes, columns] for tensor in flat]
                    state = dict(zip(slabs[name], parts[2:], strict=True))
                    buffers = scratch.flatten()[: 3 * parts[0].numel()].view(3, *parts[0].shape)
                    is_remainder = columns.start == whole
                    yield Tile(parts[0], parts[1], state, buffers, is_remainder), lanes

    def _states(self, position: int) -> Iterator[tuple[dict[str, Tensor], slice]]:
        """The optimizers' state of one of the parameters, and the lanes whose values it holds."""
        for group in self.groups:
            for lanes in group.settings:
                parts = [group.slices(lane)[position] for lane in lanes]
                start = lanes.start - self.lanes.start
                if parts[0].lane is not None:
                    yield group.optimizer.state[parts[0].parameter], slice(start, start + len(lanes))
                else:
                    for lane, part in enumerate(parts, start=start):
                        yield group.optimizer.state[part.parameter], slice(lane, lane + 1)
