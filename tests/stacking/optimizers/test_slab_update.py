"""One update for many lanes is, in weights and state, that of each lane's optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from pytorch_optimizer import Lion
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

from abreast.stacking.optimizers.lane_state import ParameterSlice, cloned
from abreast.stacking.optimizers.rules import flags
from abreast.stacking.optimizers.slab_update import SlabUpdate
from abreast.stacking.optimizers.update_check import exact_width
from abreast.stacking.parameters import StackedState
from support.helpers import same

LANES = 4
SHAPES = ((5, 16), (16,), (3, 5), (3,), ())
Swept = dict[str, list[Any]]

DECAYS: Swept = {"weight_decay": [0.1, 0.001, 0.02, 0.3]}
BETAS: Swept = {
    "betas": [(0.9, 0.999), (0.4, 0.9), (0.95, 0.99), (0.0, 0.5)],
    "eps": [1e-8, 1e-3, 1e-8, 1e-6],
}
MOMENTA: Swept = {"momentum": [0.9, 0.5, 0.99, 0.1]}
NADAM: Swept = {**BETAS, "momentum_decay": [0.004, 0.0, 0.1, 1.0]}
CASES: list[tuple[type[Optimizer], dict[str, Any], Swept]] = [
    (SGD, {"fused": False}, {}),
    (SGD, {"fused": True}, DECAYS),
    (SGD, {"fused": False}, {**MOMENTA, **DECAYS, "dampening": [0.0, 0.1, 0.5, 0.9]}),
    (SGD, {"fused": True}, {**MOMENTA, "dampening": [0.0, 0.1, 0.5, 0.9]}),
    (SGD, {"fused": True, "nesterov": True}, {**MOMENTA, **DECAYS}),
    (SGD, {"nesterov": True}, MOMENTA),
    (Adam, {"fused": False}, BETAS),
    (Adam, {"fused": True}, BETAS),
    (Adam, {"fused": True}, {**BETAS, **DECAYS}),
    (Adam, {}, DECAYS),
    (AdamW, {"fused": True}, {**BETAS, **DECAYS}),
    (AdamW, {"fused": False}, {**BETAS, **DECAYS}),
    (NAdam, {}, NADAM),
    (NAdam, {}, {**NADAM, **DECAYS}),
    (NAdam, {"decoupled_weight_decay": True}, {**NADAM, **DECAYS}),
    (RMSprop, {}, {"alpha": [0.99, 0.5, 0.0, 0.9]}),
    (RMSprop, {"centered": True}, {**MOMENTA, **DECAYS}),
    (Adagrad, {}, {"lr_decay": [0.0, 0.1, 1.0, 0.5], "eps": [1e-10, 1e-3, 1e-6, 1e-10]}),
    (Adagrad, {"initial_accumulator_value": 0.1}, DECAYS),
    (Lion, {}, {"betas": [(0.9, 0.99), (0.5, 0.6), (0.0, 0.99), (0.95, 0.98)]}),
    (Lion, {}, DECAYS),
    (Lion, {"fixed_decay": True}, DECAYS),
]
IDS = [" ".join([kind.__name__, *map(str, fixed.items()), *swept]) for kind, fixed, swept in CASES]


@dataclass
class Lane:
    """A lane with its own optimizer."""

    number: int
    net: nn.ParameterList
    optimizer: Optimizer

    @property
    def lanes(self) -> range:
        return range(self.number, self.number + 1)

    @property
    def settings(self) -> Sequence[range]:
        return [self.lanes]

    def slices(self, lane: int) -> Sequence[ParameterSlice]:
        assert lane == self.number
        return [ParameterSlice(parameter, None) for parameter in self.net]


class Pair:
    """The same lanes twice: updated together, and each by its optimizer."""

    def __init__(self, kind: type[Optimizer], fixed: dict[str, Any], swept: Swept) -> None:
        self.generator = torch.Generator().manual_seed(1)
        starts = [[torch.randn(shape, generator=self.generator) for shape in SHAPES] for _ in range(LANES)]
        self.nets, self.others = (
            [nn.ParameterList([value.clone() for value in start]) for start in starts] for _ in range(2)
        )
        self.state = StackedState(self.nets)

        def make(net: nn.ParameterList, lane: int) -> Optimizer:
            settings = {key: values[lane] for key, values in swept.items()}
            return kind(net.parameters(), lr=0.02 / (1 + lane), **fixed, **settings)  # type: ignore[call-arg]

        self.make = make
        self.alone = [make(net, lane) for lane, net in enumerate(self.others)]
        self.lanes = [Lane(lane, net, make(net, lane)) for lane, net in enumerate(self.nets)]
        self.join()

    def join(self) -> None:
        first = self.lanes[0].optimizer
        on = flags(first, first.param_groups[0])
        assert on is not None
        width = exact_width(type(first), (*on.items(),))
        assert width is not None
        self.update = SlabUpdate(on, self.lanes, self.state, width)

    def step(self, *, spoiled: int | None = None) -> None:
        self.step_alone(spoiled)
        self.update.step()

    def step_alone(self, spoiled: int | None) -> None:
        """Draw gradients, and step the optimizers of their own; those of a lane may be spoiled."""
        for lane, net in enumerate(self.others):
            for parameter, gradients in zip(net, self.state.gradients.values(), strict=True):
                noise = torch.randn(parameter.shape, generator=self.generator)
                parameter.grad = parameter.detach() * 0.1 + noise
                if lane == spoiled:
                    parameter.grad[...] = torch.nan
                gradients[lane] = parameter.grad
        for optimizer in self.alone:
            optimizer.step()

    def check(self, lanes: Sequence[int] = range(LANES)) -> None:
        for lane in lanes:
            for one, other in zip(self.nets[lane], self.others[lane], strict=True):
                assert torch.equal(one, other)
            assert same(self.lanes[lane].optimizer.state_dict(), self.alone[lane].state_dict())


@pytest.mark.parametrize(("kind", "fixed", "swept"), CASES, ids=IDS)
def test_the_update_is_that_of_each_optimizer(
    kind: type[Optimizer], fixed: dict[str, Any], swept: Swept
) -> None:
    pair = Pair(kind, fixed, swept)
    for step in range(12):
        pair.step()
        assert pair.update.is_joint
        if step % 4 == 3:  # as schedules do
            for optimizer in (*pair.alone, *(lane.optimizer for lane in pair.lanes)):
                optimizer.param_groups[0]["lr"] *= 0.7
    pair.check()


@pytest.mark.parametrize("kind", [SGD, Adam, NAdam, RMSprop, Adagrad, Lion])
def test_a_diverged_lane_changes_no_other(kind: type[Optimizer]) -> None:
    pair = Pair(kind, {}, {})
    for step in range(6):
        pair.step(spoiled=1 if step > 1 else None)
    pair.check([0, 2, 3])
    assert kind is Lion or all(parameter.isnan().all() for parameter in pair.nets[1])


@pytest.mark.parametrize("kind", [Adam, NAdam, RMSprop, Adagrad])
def test_lanes_may_have_taken_different_numbers_of_steps(kind: type[Optimizer]) -> None:
    pair = Pair(kind, {}, {})
    for _ in range(3):
        pair.step()
    saved = [cloned(lane.optimizer.state_dict()) for lane in pair.lanes]
    for number, lane in enumerate(pair.lanes):  # the first two from their state, as of a checkpoint
        lane.optimizer = pair.make(lane.net, number)
        if number < 2:
            lane.optimizer.load_state_dict(saved[number])
        else:
            pair.alone[number] = pair.make(pair.others[number], number)
    pair.join()
    for _ in range(5):
        pair.step()
    assert pair.update.is_joint
    pair.check()
    assert {float(lane.optimizer.state[lane.net[0]]["step"]) for lane in pair.lanes} == {5.0, 8.0}


def test_flags_that_change_are_stepped_individually() -> None:
    pair = Pair(SGD, {"fused": False}, MOMENTA)
    for momentum in (0.9, 0.9, 0.0, 0.0, 0.5):
        for optimizer in (pair.alone[0], pair.lanes[0].optimizer):
            optimizer.param_groups[0]["momentum"] = momentum
        pair.step()
        assert pair.update.is_joint == bool(momentum)
    pair.check()


def test_a_long_parameter_is_updated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from abreast.stacking.optimizers import slab_update

    monkeypatch.setattr(slab_update, "TILE", 16)
    for fused in (False, True):
        pair = Pair(Adam, {"fused": fused}, BETAS)
        for _ in range(3):
            pair.step()
        pair.check()
