"""Whether one update for the lanes of many optimizers is that of each optimizer, on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.errors import class_and_line
from abreast.stacking.optimizers.device_update import Apply, DeviceUpdate, apply_formulas
from abreast.stacking.optimizers.formulas import Flags
from abreast.stacking.optimizers.lane_state import ParameterSlice
from abreast.stacking.optimizers.slab_state import LaneOptimizer
from abreast.stacking.optimizers.slab_update import SlabUpdate
from abreast.stacking.parameters import StackedState

log = logging.getLogger(__name__)

WIDTHS = 8, 16, 4  # values that a fused kernel may handle at once, on one CPU or another
SHAPES = (16,), (4, 8), (10,), (7,), (5, 5), (2, 3, 2, 4)
LONG = (40, 33)  # fills more than one block of a kernel
LANES, STEPS = 3, 6
CLOSE = 1e-3  # of the distance that weights have moved
FlagItems = tuple[tuple[str, bool], ...]
TakeStep = Callable[[], object]


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
    def make(lanes: Sequence[LaneOptimizer], state: StackedState) -> TakeStep:
        update = SlabUpdate(on, lanes, state, width)
        updates.append(update)
        return update.step

    updates: list[SlabUpdate] = []
    try:
        trials = _trials(kind, on, make, torch.device("cpu"), SHAPES)
    except Exception:  # whatever a version of the optimizer does otherwise
        return False
    return updates[0].is_joint and all(torch.equal(trial.joint, trial.alone) for trial in trials)


@lru_cache(maxsize=64)
def proven_apply(kind: type[Optimizer], items: FlagItems, device: torch.device) -> Apply | None:
    """What updates the optimizer's weights on a device: a Triton kernel, or torch's operations; None if
    neither does what the optimizer does. Told is what is missing.
    """
    reason = why_not_close(kind, items, device, apply_formulas)
    if reason is not None:
        log.info(
            "No update of %s for all lanes at once, which are launched one by one: %s", kind.__name__, reason
        )
        return None
    if device.type != "cuda":
        return apply_formulas
    try:
        from abreast.stacking.optimizers.triton_update import apply_kernel
    except Exception as error:  # not installed, or for another version
        reason = class_and_line(error)
    else:
        reason = why_not_close(kind, items, device, apply_kernel)
        if reason is None:
            return apply_kernel
    log.info("No Triton kernel for %s, whose update takes several of torch's: %s", kind.__name__, reason)
    return apply_formulas


def why_not_close(kind: type[Optimizer], items: FlagItems, device: torch.device, apply: Apply) -> str | None:
    """Why an update on the device is not that of each optimizer, but for rounding; None if it is."""
    on = dict(items)

    def make(lanes: Sequence[LaneOptimizer], state: StackedState) -> TakeStep:
        update = DeviceUpdate(on, lanes, state, apply)

        def step() -> None:
            update.prepare()
            update.step()

        return step

    try:
        for trial in _trials(kind, on, make, device, (*SHAPES, LONG)):
            moved, apart = ((trial.alone - other).norm() for other in (trial.start, trial.joint))
            if not apart <= CLOSE * moved:
                return f"it differs from the optimizer's ({float(apart):.1e} of {float(moved):.1e})"
    except Exception as error:
        return class_and_line(error)
    return None


@dataclass(frozen=True)
class _Trial:
    """A parameter of a lane, after steps that were taken together, and by the lane's optimizer alone."""

    start: Tensor
    joint: Tensor
    alone: Tensor


@torch.enable_grad()
def _trials(
    kind: type[Optimizer],
    on: Flags,
    make: Callable[[Sequence[LaneOptimizer], StackedState], TakeStep],
    device: torch.device,
    shapes: Sequence[tuple[int, ...]],
) -> list[_Trial]:
    """Steps down a random bowl, with other settings in each lane."""
    generator = torch.Generator().manual_seed(0)

    def draw(shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    starts = [[draw(shape) for shape in shapes] for _ in range(LANES)]
    nets, others = (
        [nn.ParameterList([start.clone() for start in starts[lane]]) for lane in range(LANES)]
        for _ in range(2)
    )
    state = StackedState(nets)
    alone = [_optimizer(kind, on, net, lane) for lane, net in enumerate(others)]
    lanes = [
        _Lane(range(lane, lane + 1), [range(lane, lane + 1)], _optimizer(kind, on, net, lane), [*net])
        for lane, net in enumerate(nets)
    ]
    step = make(lanes, state)
    for _ in range(STEPS):
        for lane, net in enumerate(others):
            for parameter, gradients in zip(net, state.gradients.values(), strict=True):
                exponents = torch.randint(-4, 2, parameter.shape, generator=generator)
                scale = (10.0**exponents).to(device)
                parameter.grad = (parameter.detach() + 0.1 * draw(parameter.shape)) * scale
                gradients[lane] = parameter.grad
        for optimizer in alone:
            optimizer.step()
        step()
    return [
        _Trial(start, one.detach(), other.detach())
        for lane in range(LANES)
        for start, one, other in zip(starts[lane], nets[lane], others[lane], strict=True)
    ]


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
