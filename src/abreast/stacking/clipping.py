"""Clipping of the lanes' gradients, each by the bound of its run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from abreast.learner.block_step import StepConfig, clip
from abreast.stacking.optimizers.groups import OptimizerGroup
from abreast.stacking.parameters import StackedState

NORM_EPS = 1e-6  # that `nn.utils.clip_grad_norm_` adds to a norm


class Clipping(Protocol):
    """Clips the gradients of a stack's lanes in place."""

    def __call__(self, norms: Tensor | None) -> None:
        """Clip.

        Args:
            norms: The norm of each lane's gradient `[K]`, where it is known.
        """


class LaneClipping:
    """Lane by lane, as individual runs clip.

    Args:
        groups: The lanes' optimizers, which have their parameters in the order of individual runs.
        configs: Each lane's bound.
    """

    def __init__(self, groups: Sequence[OptimizerGroup], configs: Sequence[StepConfig | None]) -> None:
        self._lanes = [
            (parameters, config)
            for group in groups
            for lane, parameters in zip(group.lanes, group.parameters, strict=True)
            if (config := configs[lane]) is not None and config.clip_value is not None
        ]

    def __call__(self, norms: Tensor | None) -> None:
        """Clip each lane that has a bound."""
        for parameters, config in self._lanes:
            clip(parameters, config)


class StackedClipping:
    """All lanes at once, equal within rounding: for other devices than the CPU.

    Args:
        state: The lanes' gradients.
        configs: Each lane's bound.
    """

    def __init__(self, state: StackedState, configs: Sequence[StepConfig | None]) -> None:
        self.state = state
        device = next(iter(state.gradients.values())).device if state.gradients else None
        bounds = {
            algorithm: [_bound(config, algorithm) for config in configs] for algorithm in ("norm", "value")
        }
        self._bounds = {
            algorithm: torch.tensor(of_lanes, device=device)
            for algorithm, of_lanes in bounds.items()
            if min(of_lanes) < math.inf
        }

    def __call__(self, norms: Tensor | None) -> None:
        """Scale to the bound of the norm, or clamp to that of the values; lanes without stay as they are."""
        if "norm" in self._bounds:
            norms = self.state.gradient_norms() if norms is None else norms
            factors = (self._bounds["norm"] / (norms + NORM_EPS)).clamp(max=1.0)
            factors = torch.where(self._bounds["norm"].isinf(), 1.0, factors)
            for gradient in self.state.gradients.values():
                gradient.mul_(_as_lanes(factors, gradient))
        if "value" in self._bounds:
            for gradient in self.state.gradients.values():
                bound = _as_lanes(self._bounds["value"], gradient)
                gradient.clamp_(min=-bound, max=bound)


def _bound(config: StepConfig | None, algorithm: str) -> float:
    is_bound = config is not None and config.clip_algorithm == algorithm
    return math.inf if config is None or not is_bound or config.clip_value is None else config.clip_value


def _as_lanes(values: Tensor, like: Tensor) -> Tensor:
    """`[K]` as `[K, 1, ...]`."""
    return values.view(-1, *[1] * (like.ndim - 1))
