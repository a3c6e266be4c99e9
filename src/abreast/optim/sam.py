"""Sharpness-aware minimisation: two gradients a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from abreast.config.types import State
from abreast.optim.by_name import base_optimizer
from abreast.optim.wrapper import OptimizerWrapper


class SAM(OptimizerWrapper):
    """Step by the gradient at ``w + e``, ``e = rho g / |g|``: near the worst weights of a neighbourhood.

    g is the gradient at the weights w, |g| its norm over all parameters; adaptive: ``e = rho w^2 g / |w g|``.
    The base optimizer takes the step from w.
    Source: Foret et al. 2021, arXiv 2010.01412, algorithm 1; Kwon et al. 2021, arXiv 2102.11600 (adaptive).

    Args:
        params: The network's parameters.
        lr: Learning rate of the base optimizer.
        rho: Radius of the neighbourhood.
        adaptive: Scale the neighbourhood by the weights.
        base: A class of torch.optim, or another optimizer by name.
        settings: Other arguments of the base optimizer.

    Raises:
        ConfigError: There is no such base optimizer, or it has no such argument.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: Annotated[float, Ge(0)] = 0.1,
        rho: Annotated[float, Ge(0)] = 0.05,
        adaptive: bool = False,
        base: str = "SGD",
        **settings: Any,
    ) -> None:
        params = list(params)
        super().__init__(params, base_optimizer(params, base, {"lr": lr, **settings}))
        self.rho = rho
        self.adaptive = adaptive

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step; the closure evaluates the loss and its gradient, twice. Returns the first loss."""
        with torch.enable_grad():
            loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        weights = [p.clone() for p in parameters]
        scaled = [p.grad * p.abs() if self.adaptive else p.grad for p in parameters]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in scaled]))
        for parameter in parameters:
            ascent = parameter.grad * (self.rho / (norm + 1e-12))
            parameter.add_(ascent * parameter.square() if self.adaptive else ascent)
        with torch.enable_grad():
            closure()
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(weight)
        self.base.step()
        return loss

    def state_dict(self) -> State:
        """That of the base optimizer."""
        return self.base.state_dict()

    def load_state_dict(self, state_dict: State) -> None:
        """Load what `state_dict` returned."""
        self.load_base(state_dict)
