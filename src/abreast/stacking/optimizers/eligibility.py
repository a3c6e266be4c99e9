"""Which optimizers can step the lanes of a stack, and which of them lanes can share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.errors import class_and_line
from abreast.optim.step_needs import needs_closure, needs_graph

SHAPES = ((16,), (4, 8), (16, 12), (2, 3, 2, 4))  # of parameters that fill whole vectors
LANES = 3
STEPS = 12

MakeOptimizer = Callable[[Any], Optimizer]


class OptimizerChecks:
    """The checks of a stack's optimizers; those of one factory are made once."""

    def __init__(self) -> None:
        self._shared: dict[int, tuple[MakeOptimizer, str | None]] = {}

    def why_individual(
        self, make_optimizer: MakeOptimizer, parameters: Sequence[nn.Parameter], *, elementwise: bool
    ) -> str | None:
        """Why a run must be trained individually because of its optimizer; None if it need not.

        Args:
            make_optimizer: Builds the optimizer of a list of parameters.
            parameters: Those of the run's network.
            elementwise: Whether the optimizer is said to update each value alone.
        """
        optimizer = make_optimizer([*parameters])
        name = type(optimizer).__name__
        if needs_closure(optimizer):
            return f"{name} evaluates the loss several times per step"
        if needs_graph(optimizer):
            return f"{name} takes the Hessian of its run's own loss"
        if not elementwise:
            return None
        key = id(make_optimizer)
        if key not in self._shared:
            self._shared[key] = (make_optimizer, why_not_shared(make_optimizer))
        _, reason = self._shared[key]
        return reason and f"optim.elementwise=true, but {name} cannot be shared: {reason}"


def why_not_shared(make_optimizer: MakeOptimizer) -> str | None:
    """Why lanes cannot share an optimizer; None if its steps for all are bitwise those for each.

    Compared are steps down a random bowl: of slabs `[n, *shape]`, as a stack has them, and of one optimizer
    for each lane.

    Args:
        make_optimizer: Builds the optimizer of a list of parameters.
    """
    generator = torch.Generator().manual_seed(0)
    targets = [torch.randn(LANES, *shape, generator=generator) for shape in SHAPES]
    slabs = [nn.Parameter(torch.randn(LANES, *shape, generator=generator)) for shape in SHAPES]
    lanes = [[nn.Parameter(slab[lane].detach().clone()) for slab in slabs] for lane in range(LANES)]
    try:
        shared = make_optimizer(slabs)
        individual = [make_optimizer(lane) for lane in lanes]
        if len(shared.param_groups) > 1:
            return "it has several parameter groups"
        if type(shared).state_dict is not Optimizer.state_dict:
            return "it keeps state beside that of its parameters"
        for _ in range(STEPS):
            for position, (slab, target) in enumerate(zip(slabs, targets, strict=True)):
                slab.grad = _gradient(slab.detach() - target, generator)
                for lane, parameters in enumerate(lanes):
                    parameters[position].grad = slab.grad[lane].clone()
            for optimizer in (shared, *individual):
                optimizer.step()
    except Exception as error:
        return f"its step of several runs at once fails ({class_and_line(error)})"
    for position, slab in enumerate(slabs):
        for lane, parameters in enumerate(lanes):
            if not torch.equal(slab[lane], parameters[position]):
                shape = list(slab.shape[1:])
                return f"its step of several runs at once differs from theirs (weights {shape})"
    return None


def _gradient(distance: Tensor, generator: torch.Generator) -> Tensor:
    """A distance with noise, in several magnitudes and with some zeros, as of inactive units."""
    noise = torch.randn(distance.shape, generator=generator)
    scale = 10.0 ** torch.randint(-4, 2, distance.shape, generator=generator)
    return (distance + 0.1 * noise) * scale * (torch.rand(distance.shape, generator=generator) > 0.1)
