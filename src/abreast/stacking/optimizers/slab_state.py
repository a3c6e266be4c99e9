"""Settings and state of many lanes' optimizers, laid out for one update of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from abreast.stacking.optimizers.formulas import Column, Flags
from abreast.stacking.optimizers.lane_state import ParameterSlice
from abreast.stacking.optimizers.rules import ParamGroup, Rule, rule_of, settings
from abreast.stacking.parameters import StackedState, stacked_zeros

Slabs = dict[str, dict[str, Tensor]]  # `[K, *shape]` of each parameter's state, by the parameter's name


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


class SlabState:
    """What one update for the optimizers of neighbouring lanes reads.

    The optimizers keep their settings, which schedules change, and their state: its tensors become views of
    slabs `[K, *shape]`, and may be read and saved as before.

    Args:
        groups: The optimizers, of one rule and in the order of their lanes.
        stack: The stacked parameters of the chunk's lanes.

    Attributes:
        columns: The values of each setting as they were last read, `[settings]`.
        numbers: `step` and products, `[settings]` each, on the CPU.
    """

    def __init__(self, groups: Sequence[LaneOptimizer], stack: StackedState) -> None:
        rule = rule_of(groups[0].optimizer)
        assert rule is not None, "its optimizers have a rule"
        self.rule: Rule = rule
        self.groups = groups
        self.stack = stack
        self.lanes = range(groups[0].lanes.start, groups[-1].lanes.stop)
        self.members = [(group.optimizer, part) for group in groups for part in group.optimizer.param_groups]
        lane_counts = [len(lanes) for group in groups for lanes in group.settings]
        self._setting_of_lane = np.repeat(np.arange(len(lane_counts)), lane_counts)
        self._settings: list[list[float]] = []
        self.columns: dict[str, Column] = {}
        self.numbers: dict[str, Tensor] = {}

    def read(self) -> bool:
        """Read the optimizers' settings; whether they have changed."""
        now = [settings(self.rule, group) for _, group in self.members]
        if now == self._settings:
            return False
        self._settings = now
        self.columns = dict(zip(self.rule.settings, np.array(now, np.float64).T, strict=True))
        return True

    def forget(self) -> None:
        """Let the next reading be one of changed settings."""
        self._settings = []

    def count(self) -> None:
        """Count a step."""
        if "step" in self.numbers:
            self.numbers["step"].add_(1)
        for _, group in self.members:
            if "step" in group:
                group["step"] += 1

    def table(self, steps: Column) -> dict[str, Column]:
        """The factors of each setting in a step, by their names.

        Args:
            steps: The number of the step `[settings]`, for optimizers that do not count it.
        """
        numbers = {key: number.double().numpy() for key, number in self.numbers.items()}
        return self.rule.coefficients({**self.columns, **numbers}, numbers.get("step", steps))

    def factors(self, steps: Column) -> tuple[list[str], NDArray[np.float64]]:
        """The names of a step's factors, and those of each lane, `[factors, K, 1]`; products are counted on.

        Args:
            steps: The number of the step `[settings]`, for optimizers that do not count it.
        """
        table = self.table(steps)
        for key in self.rule.numbers:
            if key in table:
                self.numbers[key].copy_(torch.from_numpy(table[key]))
        return [*table], np.stack([*table.values()])[:, self._setting_of_lane, None]

    def parameter_states(self, group: ParamGroup, optimizer: Optimizer) -> list[dict[str, Tensor]]:
        """What the optimizer keeps of each parameter of a group; nothing is made for those without."""
        return [optimizer.state.get(parameter, {}) for parameter in group["params"]]

    def is_complete(self, on: Flags) -> bool:
        """Whether every parameter has all of its state, with one number of steps in each parameter group."""
        keys = {*self.rule.state(on), *self.rule.numbers}
        for optimizer, group in self.members:
            states = self.parameter_states(group, optimizer)
            if not all(isinstance(state.get(key), Tensor) for state in states for key in keys):
                return False
            if any(len({float(state[key]) for state in states}) > 1 for key in self.rule.numbers):
                return False
        return True

    def share_numbers(self) -> None:
        """Let the parameters of a group share their counts."""
        for key in self.rule.numbers:
            first = [optimizer.state[group["params"][0]][key] for optimizer, group in self.members]
            self.numbers[key] = torch.stack([number.cpu() for number in first])
            for number, (optimizer, group) in zip(self.numbers[key], self.members, strict=True):
                for parameter in group["params"]:
                    optimizer.state[parameter][key] = number

    def separate_numbers(self) -> None:
        """Give each parameter its own counts, as an optimizer that counts for each expects them."""
        for optimizer, group in self.members:
            for parameter in group["params"]:
                for key in self.rule.numbers:
                    optimizer.state[parameter][key] = optimizer.state[parameter][key].clone()

    def move_to_slabs(self, on: Flags) -> Slabs:
        """Let the optimizers' state be views of slabs."""
        slabs: Slabs = {}
        for position, (name, weight) in enumerate(self.stack.parameters.items()):
            slabs[name] = {}
            for key in self.rule.state(on):
                slab = slabs[name][key] = stacked_zeros(len(self.lanes), weight.detach()[0])
                for state, lanes in self._states(position):
                    part = slab[lanes].view_as(state[key])
                    state[key] = part.copy_(state[key])
        return slabs

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
