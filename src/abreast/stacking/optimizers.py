"""Unmodified `torch.optim` optimizers over the lanes' weights: one for as many lanes as it can serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from abreast.learner.module import Learner
from abreast.learner.schedule import Schedule
from abreast.optim.fused_step import Step, fused_step
from abreast.stacking.parameters import StackedState

# Each value of a parameter is updated from that value's own history alone.
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
OptimizerSnapshot = dict[str, Any]  # a lane's optimizer and schedule, as they stand
VECTOR = 16  # float32 values that a fused kernel takes at once; what is left over is rounded otherwise


class OptimizerGroup:
    """Some lanes side by side, `lanes` of the state, with one optimizer and one schedule for all of them.

    One lane has exactly the optimizer that its plain run has. Of several, those of equal settings (a range of
    `groups`) are one parameter group; in it, a parameter is one slab `[n, *shape]` where the lanes fill whole
    vectors, and n parameters otherwise: to the optimizer both are just parameters.
    """

    def __init__(self, learners: Sequence[Learner], state: StackedState, groups: Sequence[range]) -> None:
        self.lanes = range(groups[0].start, groups[-1].stop)
        self.groups = list(groups)
        own = [learners[lane] for lane in self.lanes]
        self.schedule: Schedule | None = own[0].schedule
        self.scheduler: LRScheduler | None = None
        self._fused: Step | None = None
        self._tried = False
        self._own: dict[int, list[tuple[nn.Parameter, int | None]]] = {lane: [] for lane in self.lanes}
        if len(self.lanes) == 1:
            configured = cast(Any, own[0].configure_optimizers())
            if isinstance(configured, dict):
                self.optimizer: Optimizer = configured["optimizer"]
                self.scheduler = configured["lr_scheduler"]["scheduler"]
            else:
                self.optimizer = configured
        else:
            self.optimizer = self._optimizer(learners, state, groups[0])
            for group in groups[1:]:
                self.optimizer.add_param_group(self._optimizer(learners, state, group).param_groups[0])
            if self.schedule is not None:
                self.scheduler = self.schedule.make(self.optimizer)
        _check_memory(self.optimizer)
        self.parameters = [_plain_parameters(self.optimizer, learner) for learner in own]

    def _optimizer(self, learners: Sequence[Learner], state: StackedState, group: range) -> Optimizer:
        parameters: list[nn.Parameter] = []
        for name, whole in state.parameters.items():
            if whole[0].numel() % VECTOR == 0:
                slab = nn.Parameter(whole.detach()[group.start : group.stop])
                slab.grad = state.gradients[name][group.start : group.stop]
                parameters.append(slab)
                for lane in group:
                    self._own[lane].append((slab, lane - group.start))
            else:
                for lane in group:
                    parameter = learners[lane].net.get_parameter(name)
                    parameters.append(parameter)
                    self._own[lane].append((parameter, None))
        return learners[group.start].make_optimizer(parameters)

    def step(self) -> None:
        """One step of the optimizer."""
        if self._fused is not None:
            self._fused()
            return
        self.optimizer.step()
        if not self._tried:
            self._fused, self._tried = fused_step(self.optimizer, one_count=True), True

    def group(self, lane: int) -> dict[str, Any]:
        """The parameter group with the lane's settings, its first one if it has several."""
        return self.optimizer.param_groups[next(n for n, group in enumerate(self.groups) if lane in group)]

    def move(self, interval: str) -> None:
        """The step of a schedule by `step` or by `epoch` that watches no metric."""
        schedule = self.schedule
        if schedule is None or schedule.interval != interval or schedule.monitor is not None:
            return
        assert self.scheduler is not None
        self.scheduler.step()

    def state_dict(self, lane: int) -> dict[str, Any]:
        """What the plain run's optimizer would give for this lane; the tensors are copies."""
        if len(self.lanes) == 1:
            return cast("dict[str, Any]", cloned(self.optimizer.state_dict()))
        own = self._own[lane]
        states: dict[int, dict[str, Any]] = {}
        for number, (parameter, part) in enumerate(own):
            if parameter in self.optimizer.state:
                states[number] = {
                    key: _part(value, parameter, part)
                    for key, value in self.optimizer.state[parameter].items()
                }
        group = {key: value for key, value in self.group(lane).items() if key != "params"}
        return {"state": states, "param_groups": [{**group, "params": list(range(len(own)))}]}

    def carry(self, lane: int) -> OptimizerSnapshot:
        """The lane's optimizer and schedule, for another pack to `take_up`."""
        scheduler = None if self.scheduler is None else cloned(self.scheduler.state_dict())
        return {"optimizer": self.state_dict(lane), "scheduler": scheduler}

    def take_up(self, carried: Sequence[OptimizerSnapshot]) -> None:
        """Go on from what `carry` gave for each lane, in order."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(carried[0]["scheduler"])
        if len(self.lanes) == 1:
            self.optimizer.load_state_dict(carried[0]["optimizer"])
            return
        for group, settings in zip(self.groups, self.optimizer.param_groups, strict=True):
            before = carried[group.start - self.lanes.start]["optimizer"]["param_groups"][0]
            settings.update({key: value for key, value in before.items() if key != "params"})
        parts: dict[nn.Parameter, list[dict[str, Any]]] = {}
        for lane, each in zip(self.lanes, carried, strict=True):
            for number, state in each["optimizer"]["state"].items():
                parts.setdefault(self._own[lane][number][0], []).append(state)
        for parameter, states in parts.items():
            self.optimizer.state[parameter] = {
                key: _joined([state[key] for state in states], parameter) for key in states[0]
            }


def pack(learners: Sequence[Learner], keys: Sequence[str], state: StackedState) -> list[OptimizerGroup]:
    """The fewest packs of neighbours. Lanes share one where their optimizer works value by value.

    Lanes of equal key are one parameter group. Those of one class join with other settings, if no schedule
    has to move them.
    """
    packs: list[list[range]] = []
    start = 0
    kinds = [_kind(learner) for learner in learners]
    while start < len(learners):
        stop = start + 1
        while kinds[start] is not None and stop < len(learners) and keys[stop] == keys[start]:
            stop += 1
        before = packs[-1][0].start if packs else start
        joins = packs and kinds[start] is not None and kinds[before] is kinds[start]
        if joins and learners[before].schedule is None and learners[start].schedule is None:
            packs[-1].append(range(start, stop))
        else:
            packs.append([range(start, stop)])
        start = stop
    return [OptimizerGroup(learners, state, groups) for groups in packs]


def _kind(learner: Learner) -> type[Optimizer] | None:
    """The class of the lane's optimizer, if lanes can share one."""
    if learner.schedule is not None and learner.schedule.monitor is not None:
        return None
    kind = type(learner.make_optimizer([*learner.net.parameters()]))
    return kind if kind in ELEMENTWISE else None


def _plain_parameters(optimizer: Optimizer, learner: Learner) -> list[nn.Parameter]:
    """The lane's own parameters, in the order in which its plain run's optimizer has them."""
    own = [*learner.net.parameters()]
    of_optimizer = [p for group in optimizer.param_groups for p in group["params"]]
    return of_optimizer if {*map(id, of_optimizer)} == {*map(id, own)} else own


def _check_memory(optimizer: Optimizer) -> None:
    """A fused kernel writes from a parameter's first value on, wherever the others are."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            grad = parameter.grad
            assert parameter.is_contiguous(), "an optimizer's parameter must be contiguous"
            assert grad is None or grad.is_contiguous(), "a gradient must be contiguous"


def _part(value: Any, parameter: nn.Parameter, lane: int | None) -> Any:
    if not isinstance(value, Tensor):
        return value
    if lane is not None and value.shape == parameter.shape:
        value = value[lane]
    return value.clone()


def _joined(values: list[Any], parameter: nn.Parameter) -> Any:
    """The inverse of `_part`: one value of the lanes that share a parameter."""
    first = values[0]
    is_by_lane = isinstance(first, Tensor) and first.ndim > 0 and first.shape == parameter.shape[1:]
    return torch.stack(values) if is_by_lane else first


def cloned(node: Any) -> Any:
    """The nest with copies of its tensors: a view would be saved with all that it is a view of."""
    if isinstance(node, Tensor):
        return node.detach().clone()
    if isinstance(node, dict):
        return type(node)((key, cloned(value)) for key, value in node.items())
    if isinstance(node, (list, tuple)):
        return type(node)(cloned(value) for value in node)
    return node
