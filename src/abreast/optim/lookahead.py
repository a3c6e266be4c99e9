"""Lookahead: slow weights that follow those of another optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from abreast.config.types import State
from abreast.optim.by_name import base_optimizer
from abreast.optim.wrapper import OptimizerWrapper, evaluate


class Lookahead(OptimizerWrapper):
    """Every k steps of the base optimizer, ``s <- s + alpha (w - s)`` and ``w <- s``.

    The slow weights s start as the weights w. The base optimizer keeps its state.
    Source: Zhang et al. 2019, arXiv 1907.08610, algorithm 1.

    Args:
        params: The network's parameters.
        lr: Learning rate of the base optimizer.
        k: Steps of the base optimizer for one of the slow weights.
        alpha: Size of that one.
        base: A class of torch.optim, or another optimizer by name.
        settings: Other arguments of the base optimizer.

    Raises:
        ConfigError: There is no such base optimizer, or it has no such argument.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: Annotated[float, Ge(0)] = 1e-3,
        k: Annotated[int, Ge(1)] = 5,
        alpha: Annotated[float, Ge(0), Le(1)] = 0.5,
        base: str = "AdamW",
        **settings: Any,
    ) -> None:
        params = list(params)
        self.k = k
        self.alpha = alpha
        super().__init__(params, base_optimizer(params, base, {"lr": lr, **settings}))
        self._steps = 0  # since the slow weights' last
        self._slow: list[Tensor] = []

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of the base optimizer, and perhaps one of the slow weights; returns the closure's loss."""
        loss = evaluate(closure)
        if not self._slow:
            self._slow = [p.detach().clone() for p in self._parameters]
        self.base.step()
        self._steps += 1
        if self._steps == self.k:
            self._steps = 0
            for slow, parameter in zip(self._slow, self._parameters, strict=True):
                slow.add_((parameter - slow) * self.alpha)
                parameter.copy_(slow)
        return loss

    def state_dict(self) -> State:
        """The state of the base optimizer, the slow weights, and the steps since these moved."""
        return {"base": self.base.state_dict(), "slow": list(self._slow), "steps": self._steps}

    def load_state_dict(self, state_dict: State) -> None:
        """Load what `state_dict` returned."""
        self.load_base(state_dict["base"])
        self._slow = self.beside_parameters(state_dict["slow"])
        self._steps = state_dict["steps"]
