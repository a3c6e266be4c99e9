"""Unmodified `torch.optim` optimizers over the lanes' weights: one for as many lanes as it can serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from abreast.config.types import State
from abreast.learner.module import Learner
from abreast.learner.schedule import Schedule
from abreast.optim.fused_step import Step, fused_step
from abreast.stacking.grouping import equal_neighbours
from abreast.stacking.optimizers.formulas import Flags
from abreast.stacking.optimizers.lane_state import (
    OptimizerSnapshot,
    ParameterSlice,
    cloned,
    joined,
    lane_value,
)
from abreast.stacking.optimizers.rules import flags
from abreast.stacking.parameters import StackedState

# Optimizers that update each value of a parameter from that value's history alone.
ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.RMSprop,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.ASGD,
    torch.optim.Rprop,
)
VECTOR = 16  # float32 values that a fused kernel handles at once; the remainder is rounded differently


class OptimizerGroup:
    """Neighbouring lanes that one optimizer and one schedule step.

    A single lane has exactly the optimizer of its individual run. Of several, those of equal settings are one
    parameter group. In it a parameter is one slab `[n, *shape]` where its values fill whole vectors, and n
    parameters otherwise: both are just parameters to the optimizer.

    Args:
        learners: The learners of all of the chunk's lanes.
        state: Their stacked parameters.
        settings: Neighbouring ranges of lanes, each of equal settings.
    """

    def __init__(self, learners: Sequence[Learner], state: StackedState, settings: Sequence[range]) -> None:
        self.lanes = range(settings[0].start, settings[-1].stop)
        self.settings = list(settings)
        members = [learners[lane] for lane in self.lanes]
        self.schedule: Schedule | None = members[0].schedule
        self.scheduler: LRScheduler | None = None
        self._fused: Step | None = None
        self._tried_fused = False
        self._slices: dict[int, list[ParameterSlice]] = {lane: [] for lane in self.lanes}
        if len(self.lanes) == 1:
            net = members[0].net
            parts = [ParameterSlice(net.get_parameter(name), None) for name in state.parameters]
            self._slices[self.lanes.start] = parts
            configured = cast(Any, members[0].configure_optimizers())
            if isinstance(configured, dict):
                self.optimizer: Optimizer = configured["optimizer"]
                self.scheduler = configured["lr_scheduler"]["scheduler"]
            else:
                self.optimizer = configured
        else:
            self.optimizer = self._make_optimizer(learners, state, settings[0])
            for lanes in settings[1:]:
                others = self._make_optimizer(learners, state, lanes)
                self.optimizer.add_param_group(others.param_groups[0])
            if self.schedule is not None:
                self.scheduler = self.schedule.make(self.optimizer)
        _check_contiguous(self.optimizer)
        self.parameters = [_individual_parameters(self.optimizer, learner) for learner in members]

    def _make_optimizer(self, learners: Sequence[Learner], state: StackedState, lanes: range) -> Optimizer:
        parameters: list[nn.Parameter] = []
        for name, stacked in state.parameters.items():
            if stacked[0].numel() % VECTOR == 0:
                slab = nn.Parameter(stacked.detach()[lanes.start : lanes.stop])
                slab.grad = state.gradients[name][lanes.start : lanes.stop]
                parameters.append(slab)
                for lane in lanes:
                    self._slices[lane].append(ParameterSlice(slab, lane - lanes.start))
            else:
                for lane in lanes:
                    parameter = learners[lane].net.get_parameter(name)
                    parameters.append(parameter)
                    self._slices[lane].append(ParameterSlice(parameter, None))
        return learners[lanes.start].make_optimizer(parameters)

    def step(self) -> None:
        """Step the optimizer, by its fused kernels where they can be called directly."""
        if self._fused is not None:
            self._fused()
            return
        self.optimizer.step()
        if not self._tried_fused:
            self._fused, self._tried_fused = fused_step(self.optimizer, share_counts=True), True

    def step_schedule(self, interval: str) -> None:
        """Step a schedule of that interval (`step` or `epoch`) that watches no metric."""
        schedule = self.schedule
        if schedule is None or schedule.interval != interval or schedule.monitor is not None:
            return
        assert self.scheduler is not None
        self.scheduler.step()

    def slices(self, lane: int) -> Sequence[ParameterSlice]:
        """Where the lane's values of each of its network's parameters are."""
        return self._slices[lane]

    def param_group(self, lane: int) -> dict[str, Any]:
        """The optimizer's parameter group with the lane's settings, the first if it has several."""
        position = next(n for n, lanes in enumerate(self.settings) if lane in lanes)
        return self.optimizer.param_groups[position]

    def state_dict(self, lane: int) -> State:
        """What the optimizer of the lane's individual run would return; the tensors are copies."""
        if len(self.lanes) == 1:
            return cast(State, cloned(self.optimizer.state_dict()))
        slices = self._slices[lane]
        states = {
            index: {
                key: lane_value(value, part) for key, value in self.optimizer.state[part.parameter].items()
            }
            for index, part in enumerate(slices)
            if part.parameter in self.optimizer.state
        }
        settings = {key: value for key, value in self.param_group(lane).items() if key != "params"}
        return {"state": states, "param_groups": [{**settings, "params": list(range(len(slices)))}]}

    def snapshot(self, lane: int) -> OptimizerSnapshot:
        """The state of the lane's optimizer and schedule; the tensors are copies."""
        scheduler = None if self.scheduler is None else cloned(self.scheduler.state_dict())
        return OptimizerSnapshot(self.state_dict(lane), scheduler)

    def restore(self, snapshots: Sequence[OptimizerSnapshot | None]) -> None:
        """Restore the state of each lane's optimizer and schedule, in order; None for a new lane."""
        first = snapshots[0]
        if self.scheduler is not None and first is not None:
            assert first.scheduler is not None
            self.scheduler.load_state_dict(first.scheduler)
        if len(self.lanes) == 1:
            if first is not None:
                self.optimizer.load_state_dict(first.optimizer)
            return
        for lanes, settings in zip(self.settings, self.optimizer.param_groups, strict=True):
            before = snapshots[lanes.start - self.lanes.start]
            if before is not None:
                of_lane = before.optimizer["param_groups"][0]
                settings.update({key: value for key, value in of_lane.items() if key != "params"})
        states: dict[nn.Parameter, list[State]] = {}
        for lane, snapshot in zip(self.lanes, snapshots, strict=True):
            if snapshot is None:
                continue
            for index, state in snapshot.optimizer["state"].items():
                states.setdefault(self._slices[lane][index].parameter, []).append(state)
        for parameter, by_lane in states.items():
            self.optimizer.state[parameter] = {
                key: joined([state[key] for state in by_lane], parameter) for key in by_lane[0]
            }


def optimizer_groups(
    learners: Sequence[Learner],
    keys: Sequence[str],
    state: StackedState,
    elementwise: Sequence[bool] = (),
) -> list[OptimizerGroup]:
    """Step neighbouring lanes by as few optimizers as possible.

    Lanes share an optimizer that works value by value. Those of equal key are one parameter group; those of
    one optimizer class share it with other settings, too, if they have no schedule.

    Args:
        learners: The lanes' learners.
        keys: Texts that are equal for lanes of equal optimizer, schedule and clipping that have done as many
            steps.
        state: The lanes' stacked parameters.
        elementwise: Of each lane, whether its optimizer is said, and was tested, to work value by value.
    """
    said = elementwise or [False] * len(learners)
    shared = [_shared_class(learner, is_said) for learner, is_said in zip(learners, said, strict=True)]
    groups: list[list[range]] = []
    for lanes in equal_neighbours(
        [lane if shared[lane][0] is None else keys[lane] for lane in range(len(keys))]
    ):
        start, before = lanes.start, groups[-1][0].start if groups else None
        if (
            before is not None
            and shared[start][0] in ELEMENTWISE  # others keep settings outside of parameter groups
            and shared[start] == shared[before]
            and learners[before].schedule is None
            and learners[start].schedule is None
        ):
            groups[-1].append(range(start, lanes.stop))
        else:
            groups.append([range(start, lanes.stop)])
    return [OptimizerGroup(learners, state, settings) for settings in groups]


def _shared_class(learner: Learner, is_said: bool) -> tuple[type[Optimizer] | None, Flags | None]:
    """The class of the lane's optimizer, if lanes can share one, and the flags of its update."""
    optimizer = learner.make_optimizer([*learner.net.parameters()])
    kind = type(optimizer)
    watches = learner.schedule is not None and learner.schedule.monitor is not None
    can_share = not watches and (kind in ELEMENTWISE or is_said)
    return kind if can_share else None, flags(optimizer, optimizer.param_groups[0])


def _individual_parameters(optimizer: Optimizer, learner: Learner) -> list[nn.Parameter]:
    """The lane's parameters, in the order in which the optimizer of its individual run has them."""
    parameters = [*learner.net.parameters()]
    of_optimizer = [p for group in optimizer.param_groups for p in group["params"]]
    return of_optimizer if {*map(id, of_optimizer)} == {*map(id, parameters)} else parameters


def _check_contiguous(optimizer: Optimizer) -> None:
    """A fused kernel writes to consecutive memory from a parameter's first value on."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            grad = parameter.grad
            assert parameter.is_contiguous(), "an optimizer's parameter must be contiguous"
            assert grad is None or grad.is_contiguous(), "a gradient must be contiguous"
