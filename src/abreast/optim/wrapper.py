"""What the optimizers that wrap another one share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from abreast.config.types import State


def evaluate(closure: Callable[[], Tensor] | None) -> Tensor | None:
    """The closure's loss, with gradients; None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


class OptimizerWrapper(Optimizer):
    """An optimizer that lets another one, its base, take the steps.

    Its parameter groups are the base's, so that a schedule changes the base's learning rates.

    Args:
        params: The network's parameters.
        base: The optimizer of these parameters.
    """

    def __init__(self, params: list[nn.Parameter], base: Optimizer) -> None:
        self.base = base
        super().__init__([{"params": params}], {})
        self.param_groups = base.param_groups
        self._parameters = params

    def load_base(self, state: State) -> None:
        """Load the state of the base, and share its parameter groups again."""
        self.base.load_state_dict(state)
        self.param_groups = self.base.param_groups

    def beside_parameters(self, values: list[Tensor]) -> list[Tensor]:
        """Copies of one tensor a parameter, on the devices and with the types of the parameters."""
        pairs = zip(values, self._parameters, strict=False)
        return [value.detach().to(p.device, p.dtype, copy=True) for value, p in pairs]
